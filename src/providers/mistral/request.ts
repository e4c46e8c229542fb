// A chat completion request in Mistral's words: OpenAI's form from `compatible/`, then what differs.
import { type CompleteRequest, Role, type SamplingParams } from "../../contract.ts";
import { toEndUser, toPromptCache, toServiceTier } from "../compatible/request.ts";
import { toResponseFormat } from "../compatible/request-format.ts";
import { type MessageContext, toChatMessages } from "../compatible/request-messages.ts";
import { toSampling } from "../compatible/request-sampling.ts";
import { toTools } from "../compatible/request-tools.ts";
import { type JsonOut, type JsonOutObject, writeJson } from "../json-writer.ts";
import { noteBreakpoints, noteTextOnly } from "../note-absent.ts";
import { noteForeignState } from "../note-foreign-state.ts";
import type { Translation, TranslationContext } from "../provider.ts";
import { providerOptionsOf } from "../provider-options.ts";
import { createTranslationLog, type TranslationLog } from "../translation-log.ts";
import { mistralDialect } from "./dialect.ts";
import { isObject, toMistralMessage, withTurnsBetween } from "./messages.ts";
import { toReasoning } from "./reasoning.ts";

export type MistralRules = {
  readonly address: { readonly origin: string; readonly path: string };
  /** Names under which options and state of this provider stand. */
  readonly aliases: readonly string[];
};

type Mode = "unary" | "stream";

/** Every model takes the same parameters; what one lacks, such as logprobs, the API says. */
const nothingLacks: ReadonlySet<never> = new Set();

export function toHttpRequest(
  request: CompleteRequest,
  mode: Mode,
  context: TranslationContext,
  { address, aliases }: MistralRules,
): Translation {
  const log = createTranslationLog();
  const body = toBody(request, mode, context, aliases, log);
  if (log.violations.length > 0) return { kind: "unsupported", violations: log.violations };
  const accept = mode === "stream" ? "text/event-stream" : "application/json";
  return {
    kind: "request",
    request: {
      method: "POST",
      ...address,
      headers: { "content-type": "application/json", accept },
      body: writeJson(body),
    },
    warnings: log.warnings,
  };
}

function toBody(
  request: CompleteRequest,
  mode: Mode,
  { model, facts }: TranslationContext,
  aliases: readonly string[],
  log: TranslationLog,
): JsonOutObject {
  const context: MessageContext = { dialect: mistralDialect, systemRole: "system", aliases, log };
  noteTextOnly(request, log);
  noteBreakpoints(request, log);
  const messages = toMessages(request, context);
  noteForeignState(request, aliases, log);
  return {
    model,
    messages,
    ...toSampling(withinLimits(request.sampling, log), mistralDialect, { lacks: nothingLacks, facts }, log),
    ...withParameters(toTools(request, context)),
    ...toResponseFormat(request.responseFormat, mistralDialect, log).body,
    ...toReasoning(request.reasoning, model, log),
    ...toPromptCache(request, mistralDialect, log),
    service_tier: toServiceTier(request.serviceTier, mistralDialect, log),
    ...toEndUser(request.endUserId, mistralDialect, log),
    stream: mode === "stream" ? true : undefined,
    ...providerOptionsOf(request.providerOptions, aliases),
  };
}

/** Highest temperature that the API takes. */
const temperatureMax = 1.5;

function withinLimits(sampling: SamplingParams | undefined, log: TranslationLog): SamplingParams | undefined {
  if (sampling?.temperature === undefined || sampling.temperature <= temperatureMax) return sampling;
  log.adjusted("sampling.temperature", `the highest temperature is ${temperatureMax}`);
  return { ...sampling, temperature: temperatureMax };
}

/** The API wants the parameters of every function: none are an empty object. */
function withParameters(members: JsonOutObject): JsonOutObject {
  const { tools, ...rest } = members;
  return Array.isArray(tools) ? { tools: tools.map(withSchema), ...rest } : members;
}

function withSchema(tool: JsonOut): JsonOut {
  const definition = isObject(tool) ? tool["function"] : undefined;
  if (!isObject(tool) || !isObject(definition) || definition["parameters"] !== undefined) return tool;
  return { ...tool, function: { ...definition, parameters: { type: "object", properties: {} } } };
}

/** An answer that the model is to continue has to say so ("Prefix"). */
function toMessages(request: CompleteRequest, context: MessageContext): readonly JsonOutObject[] {
  const messages = toChatMessages(request.messages, context).map((message) => toMistralMessage(message, context.log));
  const last = messages.at(-1);
  const isPrefix = request.messages.at(-1)?.role === Role.ASSISTANT && last?.["tool_calls"] === undefined;
  const prefixed = isPrefix && last !== undefined ? messages.with(-1, { ...last, prefix: true }) : messages;
  return withTurnsBetween(prefixed, context.log);
}
