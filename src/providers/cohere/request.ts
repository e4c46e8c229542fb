// A chat request in Cohere's words (docs.cohere.com/reference/chat). The order of members is fixed, so that equal requests
// give equal bytes.
import {
  type CompleteRequest,
  ReasoningEffort,
  type ReasoningOptions,
  ReasoningVisibility,
  type SamplingParams,
} from "../../contract.ts";
import type { Dialect } from "../compatible/dialect.ts";
import { dialectNamed } from "../compatible/dialects.ts";
import { toRawJson } from "../compatible/request-messages.ts";
import { toSampling } from "../compatible/request-sampling.ts";
import { type JsonOutObject, writeJson } from "../json-writer.ts";
import { noteNoSchemaDescription, noteNoSummary, notePlainChat } from "../note-absent.ts";
import { noteForeignState } from "../note-foreign-state.ts";
import type { Translation, TranslationContext } from "../provider.ts";
import { providerOptionsOf } from "../provider-options.ts";
import { createTranslationLog, type TranslationLog } from "../translation-log.ts";
import { toPrompt } from "./messages.ts";
import { toTools } from "./tools.ts";

export type CohereRules = {
  readonly address: { readonly origin: string; readonly path: string };
  /** Names under which options and state of this provider stand. */
  readonly aliases: readonly string[];
};

/** Sampling parameters and their names; the rest of the row is not used. */
const samplingDialect: Dialect = {
  ...dialectNamed("generic"),
  id: "cohere",
  sampling: {
    temperature: "temperature",
    topP: "p",
    topK: "k",
    frequencyPenalty: "frequency_penalty",
    presencePenalty: "presence_penalty",
    seed: "seed",
    stopSequences: "stop_sequences",
  },
  stopSequencesMax: 5,
};

const nothingLacks: ReadonlySet<never> = new Set();

export function toHttpRequest(
  request: CompleteRequest,
  mode: "unary" | "stream",
  context: TranslationContext,
  { address, aliases }: CohereRules,
): Translation {
  const log = createTranslationLog();
  notePlainChat(request, log);
  const body: JsonOutObject = {
    model: context.model,
    ...toPrompt(request.messages, aliases, log),
    ...toTools(request, aliases, log),
    ...toFormat(request, log),
    ...toSamplingMembers(request, context, log),
    thinking: toThinking(request.reasoning, context, log),
    stream: mode === "stream",
    ...providerOptionsOf(request.providerOptions, aliases),
  };
  noteForeignState(request, aliases, log);
  if (log.violations.length > 0) return { kind: "unsupported", violations: log.violations };
  const headers = {
    "content-type": "application/json",
    accept: mode === "stream" ? "text/event-stream" : "application/json",
  };
  return {
    kind: "request",
    request: { method: "POST", ...address, headers, body: writeJson(body) },
    warnings: log.warnings,
  };
}

/** `logprobs` is on or off, and tells of the chosen tokens only. */
function toSamplingMembers(request: CompleteRequest, context: TranslationContext, log: TranslationLog): JsonOutObject {
  if (request.sampling === undefined) return {};
  const { topLogprobs, ...sampling } = withinLimits(request.sampling, log);
  if (topLogprobs !== undefined && topLogprobs > 0) {
    log.adjusted("sampling.top_logprobs", "the provider tells of the chosen tokens only");
  }
  const members = toSampling(sampling, samplingDialect, { lacks: nothingLacks, facts: context.facts }, log);
  return { ...members, logprobs: topLogprobs === undefined ? undefined : true };
}

/** Ranges that are narrower than the contract's ("Chat", body). */
const limits = {
  topP: { field: "sampling.top_p", least: 0.01, most: 0.99 },
  topK: { field: "sampling.top_k", least: 0, most: 500 },
  frequencyPenalty: { field: "sampling.frequency_penalty", least: 0, most: 1 },
  presencePenalty: { field: "sampling.presence_penalty", least: 0, most: 1 },
} as const;

const limitedNames = ["topP", "topK", "frequencyPenalty", "presencePenalty"] as const;

function withinLimits(sampling: SamplingParams, log: TranslationLog): SamplingParams {
  const limited = { ...sampling };
  for (const name of limitedNames) {
    const value = sampling[name];
    if (value === undefined) continue;
    const { field, least, most } = limits[name];
    limited[name] = Math.min(Math.max(value, least), most);
    if (limited[name] !== value) log.adjusted(field, `the provider takes ${least} to ${most}`);
  }
  return limited;
}

/** "Structured outputs": a schema makes the JSON mode exact. */
function toFormat(request: CompleteRequest, log: TranslationLog): JsonOutObject {
  const format = request.responseFormat?.format;
  switch (format?.case) {
    case undefined:
    case "text":
      return {};
    case "jsonObject":
      return { response_format: { type: "json_object" } };
    case "jsonSchema": {
      noteNoSchemaDescription(format.value, log);
      const schema = toRawJson(format.value.schemaJson, "response_format.json_schema.schema_json", log);
      return { response_format: { type: "json_object", json_schema: schema } };
    }
    case "grammar":
      log.unsupported("response_format.grammar", "the provider takes no grammar");
      return {};
    default:
      return format satisfies never;
  }
}

/** "Reasoning": on or off, with a budget. */
function toThinking(
  options: ReasoningOptions | undefined,
  { facts }: TranslationContext,
  log: TranslationLog,
): JsonOutObject | undefined {
  if (options === undefined) return undefined;
  const { effort, budgetTokens, visibility } = options;
  if (visibility === ReasoningVisibility.HIDDEN) {
    log.dropped("reasoning.visibility", "the provider always shows reasoning");
  }
  noteNoSummary(visibility, log);
  if (effort === ReasoningEffort.UNSPECIFIED && budgetTokens === undefined) return undefined;
  const isOff = effort === ReasoningEffort.NONE || (effort === ReasoningEffort.UNSPECIFIED && budgetTokens === 0);
  if (facts.reasoning === false) {
    if (!isOff) log.dropped("reasoning", "this model does not reason");
    return undefined;
  }
  if (isOff) return { type: "disabled" };
  if (budgetTokens === undefined) {
    log.adjusted(
      "reasoning.effort",
      "reasoning can only be switched on or off, or be given a budget; it was switched on",
    );
  }
  return { type: "enabled", token_budget: budgetTokens };
}
