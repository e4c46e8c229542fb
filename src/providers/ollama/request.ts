// A chat request in Ollama's words. The order of members is fixed, so that equal requests give equal bytes.
import { type CompleteRequest, ReasoningEffort, type ReasoningOptions, ReasoningVisibility } from "../../contract.ts";
import type { Dialect } from "../compatible/dialect.ts";
import { dialectNamed } from "../compatible/dialects.ts";
import { toRawJson } from "../compatible/request-messages.ts";
import { toEffort } from "../compatible/request-reasoning.ts";
import { toSampling } from "../compatible/request-sampling.ts";
import { type JsonOut, type JsonOutObject, RawJson, writeJson } from "../json-writer.ts";
import { noteNoSchemaDescription, noteNoSummary, notePlainChat } from "../note-absent.ts";
import { noteForeignState } from "../note-foreign-state.ts";
import type { Translation, TranslationContext } from "../provider.ts";
import { providerOptionsOf } from "../provider-options.ts";
import { createTranslationLog, type TranslationLog } from "../translation-log.ts";
import { toMessages } from "./messages.ts";
import { toTools } from "./tools.ts";

export type OllamaRules = {
  readonly address: { readonly origin: string; readonly path: string };
  /** Names under which options and state of this provider stand. */
  readonly aliases: readonly string[];
};

/** Members of `options` (docs.ollama.com/modelfile, "Parameters"); the rest of the row is not used. */
const optionsDialect: Dialect = {
  ...dialectNamed("generic"),
  id: "ollama",
  sampling: {
    temperature: "temperature",
    topP: "top_p",
    topK: "top_k",
    minP: "min_p",
    frequencyPenalty: "frequency_penalty",
    presencePenalty: "presence_penalty",
    repetitionPenalty: "repeat_penalty",
    seed: "seed",
    stopSequences: "stop",
    topLogprobs: "top_logprobs",
  },
};

const nothingLacks: ReadonlySet<never> = new Set();

export function toHttpRequest(
  request: CompleteRequest,
  mode: "unary" | "stream",
  context: TranslationContext,
  { address, aliases }: OllamaRules,
): Translation {
  const log = createTranslationLog();
  notePlainChat(request, log);
  const { options, ...own } = providerOptionsOf(request.providerOptions, aliases);
  const body: JsonOutObject = {
    model: context.model,
    messages: toMessages(request.messages, { aliases, log }),
    tools: toTools(request, aliases, log),
    format: toFormat(request, log),
    think: toThink(request.reasoning, context, log),
    ...toSamplingMembers(request, context, options, log),
    stream: mode === "stream", // It streams unless it is told not to.
    ...own,
  };
  noteForeignState(request, aliases, log);
  if (log.violations.length > 0) return { kind: "unsupported", violations: log.violations };
  const headers = {
    "content-type": "application/json",
    accept: mode === "stream" ? "application/x-ndjson" : "application/json",
  };
  return {
    kind: "request",
    request: { method: "POST", ...address, headers, body: writeJson(body) },
    warnings: log.warnings,
  };
}

/** Settings of the runner go into `options`, where the caller's own lie over them; log probabilities stand beside it. */
function toSamplingMembers(
  request: CompleteRequest,
  { facts }: TranslationContext,
  own: JsonOut | undefined,
  log: TranslationLog,
): JsonOutObject {
  const translated = toSampling(request.sampling, optionsDialect, { lacks: nothingLacks, facts }, log);
  const { max_tokens: limit, logprobs, top_logprobs: alternatives, ...settings } = translated;
  const all = { num_predict: limit, ...settings, ...(isObject(own) ? own : {}) };
  const hasOptions = Object.values(all).some((value) => value !== undefined);
  return { logprobs, top_logprobs: alternatives, options: hasOptions ? all : undefined };
}

function isObject(value: JsonOut | undefined): value is JsonOutObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof RawJson);
}

/** "Structured outputs": the word "json", or a schema. */
function toFormat(request: CompleteRequest, log: TranslationLog): JsonOut | undefined {
  const format = request.responseFormat?.format;
  switch (format?.case) {
    case undefined:
    case "text":
      return undefined;
    case "jsonObject":
      return "json";
    case "jsonSchema":
      noteNoSchemaDescription(format.value, log);
      return toRawJson(format.value.schemaJson, "response_format.json_schema.schema_json", log);
    case "grammar":
      log.unsupported("response_format.grammar", "the provider takes no grammar");
      return undefined;
    default:
      return format satisfies never;
  }
}

/** "Thinking": gpt-oss takes a level and cannot be silenced; the others are switched on or off. */
function toThink(
  options: ReasoningOptions | undefined,
  { model }: TranslationContext,
  log: TranslationLog,
): JsonOut | undefined {
  if (options === undefined) return undefined;
  const { effort, budgetTokens, visibility } = options;
  if (visibility === ReasoningVisibility.HIDDEN) {
    log.dropped("reasoning.visibility", "the provider always shows reasoning");
  }
  noteNoSummary(visibility, log);
  if (model.includes("gpt-oss")) return toEffort(options, ["low", "medium", "high"], log);
  if (effort === ReasoningEffort.UNSPECIFIED && budgetTokens === undefined) return undefined;
  const isOn = effort === ReasoningEffort.UNSPECIFIED ? budgetTokens !== 0 : effort !== ReasoningEffort.NONE;
  if (isOn && budgetTokens !== undefined) {
    log.dropped("reasoning.budget_tokens", "reasoning can only be switched on or off");
  } else if (isOn) {
    log.adjusted("reasoning.effort", "reasoning can only be switched on or off; it was switched on");
  }
  return isOn;
}
