// A request of the Responses API as a value. Nothing is stored at the provider: reasoning comes back encrypted and travels with
// the conversation. https://platform.openai.com/docs/guides/conversation-state
import {
  type CompleteRequest,
  Modality,
  type ReasoningOptions,
  ReasoningVisibility,
  type ResponseFormat,
} from "../../../contract.ts";
import { type JsonOutObject, writeJson } from "../../json-writer.ts";
import { noteBreakpoints } from "../../note-absent.ts";
import { noteForeignState } from "../../note-foreign-state.ts";
import type { Translation, TranslationContext } from "../../provider.ts";
import { providerOptionsOf } from "../../provider-options.ts";
import { createTranslationLog, type TranslationLog } from "../../translation-log.ts";
import type { Dialect, EffortWord, SamplingName } from "../dialect.ts";
import { dialectOfModel } from "../dialect-of-model.ts";
import type { RequestRules } from "../request.ts";
import { toEndUser, toPromptCache, toServiceTier } from "../request.ts";
import { toResponseFormat, toStrictDefault } from "../request-format.ts";
import { toRawJson } from "../request-messages.ts";
import { dropReasoning, effortWords, toEffort } from "../request-reasoning.ts";
import { toSampling } from "../request-sampling.ts";
import { type InputContext, toInputItems } from "./request-input.ts";
import { toResponsesTools } from "./request-tools.ts";

/** What the Responses API has of the sampling parameters. */
const sampling: Readonly<Partial<Record<SamplingName, string>>> = {
  temperature: "temperature",
  topP: "top_p",
  topLogprobs: "top_logprobs",
  verbosity: "verbosity",
};

/** Rules of a host, beside those that it shares with chat completions. */
export type ResponsesRules = RequestRules & {
  /** The host stores nothing and wants the ciphertext of reasoning back (OpenAI, Azure). */
  readonly needsCiphertext: boolean;
};

/** Translates the request; "unsupported" when the host cannot serve it. */
export function toResponsesRequest(
  request: CompleteRequest,
  mode: "unary" | "stream",
  context: TranslationContext,
  rules: ResponsesRules,
): Translation {
  const log = createTranslationLog();
  const body = {
    ...toBody(request, context, rules, log),
    store: false,
    ...toInclude(request, rules),
    stream: mode === "stream" ? true : undefined,
    ...providerOptionsOf(request.providerOptions, rules.aliases),
  };
  return toTranslation(rules, context.model, mode, body, log);
}

/** The same input to the end point that only counts it. */
export function toInputTokensRequest(
  request: CompleteRequest,
  context: TranslationContext,
  rules: ResponsesRules,
): Translation {
  const log = createTranslationLog();
  const whole = toBody(request, context, rules, log);
  const counted = ["model", "input", "tools", "tool_choice", "parallel_tool_calls", "text", "reasoning"];
  const body = Object.fromEntries(Object.entries(whole).filter(([name]) => counted.includes(name)));
  return toTranslation(rules, context.model, "unary", body, log);
}

function toTranslation(
  rules: ResponsesRules,
  model: string,
  mode: "unary" | "stream",
  body: JsonOutObject,
  log: TranslationLog,
): Translation {
  if (log.violations.length > 0) return { kind: "unsupported", violations: log.violations };
  const accept = mode === "stream" ? "text/event-stream" : "application/json";
  return {
    kind: "request",
    request: {
      method: "POST",
      origin: rules.origin,
      path: rules.pathOf(model),
      headers: { "content-type": "application/json", accept },
      body: writeJson(body),
    },
    warnings: log.warnings,
  };
}

function toBody(
  request: CompleteRequest,
  { model, facts }: TranslationContext,
  rules: ResponsesRules,
  log: TranslationLog,
): JsonOutObject {
  const { aliases, needsCiphertext } = rules;
  const dialect = dialectOfModel(rules.dialect, facts);
  const context: InputContext = { systemRole: rules.systemRoleOf(model), aliases, needsCiphertext, log };
  const responses: Dialect = { ...dialect, sampling };
  const {
    logprobs: _flag,
    max_tokens,
    max_completion_tokens,
    verbosity,
    ...rest
  } = toSampling(request.sampling, responses, { lacks: rules.modelLacks(model, request), facts }, log);
  noteOutput(request, log);
  noteBreakpoints(request, log);
  const { format, instruction } = toFormat(request.responseFormat, dialect, log);
  const input = toInputItems(request.messages, context);
  noteForeignState(request, aliases, log);
  return {
    model,
    input: instruction === undefined ? input : [{ role: context.systemRole, content: instruction }, ...input],
    max_output_tokens: max_tokens ?? max_completion_tokens,
    ...rest,
    ...toResponsesTools(request, context),
    text: format === undefined && verbosity === undefined ? undefined : { format, verbosity },
    reasoning: toReasoning(request.reasoning, dialect, log),
    ...toPromptCache(request, dialect, log),
    service_tier: toServiceTier(request.serviceTier, dialect, log),
    ...toEndUser(request.endUserId, dialect, log),
  };
}

function noteOutput(request: CompleteRequest, log: TranslationLog): void {
  for (const [position, modality] of request.outputModalities.entries()) {
    if (modality !== Modality.TEXT)
      log.unsupported(`output_modalities[${position}]`, "the provider answers in text here");
  }
  if (request.audioOutput !== undefined) log.dropped("audio_output", "the provider answers in text here");
}

/** Facts that come only when they are asked for. */
function toInclude(request: CompleteRequest, { needsCiphertext }: ResponsesRules): JsonOutObject {
  const include: string[] = [];
  if (needsCiphertext) include.push("reasoning.encrypted_content");
  if (request.sampling?.topLogprobs !== undefined) include.push("message.output_text.logprobs");
  return include.length === 0 ? {} : { include };
}

type FormatOfText = { readonly format?: JsonOutObject | undefined; readonly instruction?: string | undefined };

/** As in chat completions, with the members of the schema at the top. */
function toFormat(responseFormat: ResponseFormat | undefined, dialect: Dialect, log: TranslationLog): FormatOfText {
  switch (responseFormat?.format.case) {
    case undefined:
    case "text":
      return {};
    case "jsonObject":
      return { format: { type: "json_object" } };
    case "jsonSchema": {
      if (!dialect.responseFormat.jsonSchema) {
        return {
          format: { type: "json_object" },
          instruction: toResponseFormat(responseFormat, dialect, log).instruction,
        };
      }
      const { name, description, schemaJson, strict } = responseFormat.format.value;
      const schema = toRawJson(schemaJson, "response_format.json_schema.schema_json", log);
      if (schema === undefined) return {};
      const format = {
        type: "json_schema",
        name: name === "" ? "response" : name,
        description: description === "" ? undefined : description,
        schema,
        strict: strict ?? toStrictDefault(schemaJson, dialect),
      };
      return { format };
    }
    case "grammar":
      log.unsupported("response_format.grammar", "the provider has grammars for tools only");
      return {};
  }
}

const summaryByVisibility: Readonly<Partial<Record<ReasoningVisibility, string>>> = {
  [ReasoningVisibility.SUMMARY]: "auto",
  [ReasoningVisibility.FULL]: "detailed",
};

function toReasoning(
  options: ReasoningOptions | undefined,
  dialect: Dialect,
  log: TranslationLog,
): JsonOutObject | undefined {
  if (options === undefined) return undefined;
  if (dialect.reasoning.kind === "none") return dropReasoning(options, log);
  // Here every host takes "none", which chat completions may say in another way.
  const words: readonly EffortWord[] = [...new Set<EffortWord>(["none", ...effortWords(dialect)])];
  const effort = toEffort(options, words, log);
  const summary = summaryByVisibility[options.visibility];
  if (options.visibility === ReasoningVisibility.FULL) {
    log.adjusted("reasoning.visibility", "the provider shows a summary of its reasoning");
  }
  return effort === undefined && summary === undefined ? undefined : { effort, summary };
}
