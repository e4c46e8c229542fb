// A chat completion request as a value. The order of members is fixed, so that equal requests give equal bytes.
import { type CompleteRequest, Modality } from "../../contract.ts";
import { type JsonOut, type JsonOutObject, writeJson } from "../json-writer.ts";
import { noteBreakpoints } from "../note-absent.ts";
import { noteForeignState } from "../note-foreign-state.ts";
import type { Translation, TranslationContext } from "../provider.ts";
import { providerOptionsOf } from "../provider-options.ts";
import { createTranslationLog, type TranslationLog } from "../translation-log.ts";
import type { Dialect, SamplingName } from "./dialect.ts";
import { dialectOfModel } from "./dialect-of-model.ts";
import { toResponseFormat } from "./request-format.ts";
import { toAudioFormat } from "./request-media.ts";
import { type MessageContext, toChatMessages } from "./request-messages.ts";
import { toReasoning, toReasoningObject } from "./request-reasoning.ts";
import { toSampling } from "./request-sampling.ts";
import { toTools } from "./request-tools.ts";

/** What building a request needs to know of its provider. */
export type RequestRules = {
  readonly dialect: Dialect;
  readonly aliases: readonly string[];
  readonly origin: string;
  /** Path and query for a model; only Azure's depends on it. */
  readonly pathOf: (model: string) => string;
  /** Parameters that a model refuses, e.g. temperature with OpenAI's reasoning models. */
  readonly modelLacks: (model: string, request: CompleteRequest) => ReadonlySet<SamplingName>;
  readonly systemRoleOf: (model: string) => "system" | "developer";
};

type Mode = "unary" | "stream";

/** Translates the request; "unsupported" when the server cannot serve it. */
export function toHttpRequest(
  request: CompleteRequest,
  mode: Mode,
  context: TranslationContext,
  rules: RequestRules,
): Translation {
  const log = createTranslationLog();
  const body = toBody(request, mode, context, rules, log);
  if (log.violations.length > 0) return { kind: "unsupported", violations: log.violations };
  return {
    kind: "request",
    request: {
      method: "POST",
      origin: rules.origin,
      path: rules.pathOf(context.model),
      headers: {
        "content-type": "application/json",
        accept: mode === "stream" ? "text/event-stream" : "application/json",
      },
      body: writeJson(body),
    },
    warnings: log.warnings,
  };
}

function toBody(
  request: CompleteRequest,
  mode: Mode,
  { model, facts }: TranslationContext,
  rules: RequestRules,
  log: TranslationLog,
): JsonOutObject {
  const { aliases, modelLacks, systemRoleOf } = rules;
  const dialect = dialectOfModel(rules.dialect, facts);
  const messageContext: MessageContext = { dialect, systemRole: systemRoleOf(model), aliases, log };
  const format = toResponseFormat(request.responseFormat, dialect, log);
  const messages = toChatMessages(request.messages, messageContext);
  if (!dialect.cacheControl) noteBreakpoints(request, log);
  noteForeignState(request, aliases, log);
  return {
    model,
    messages:
      format.instruction === undefined
        ? messages
        : [{ role: messageContext.systemRole, content: format.instruction }, ...messages],
    ...toSampling(request.sampling, dialect, { lacks: modelLacks(model, request), facts }, log),
    ...toTools(request, messageContext),
    ...format.body,
    ...(dialect.reasoning.kind === "object"
      ? toReasoningObject(request.reasoning, dialect.reasoning.words, log)
      : toReasoning(request.reasoning, dialect, log)),
    ...toOutput(request, mode, dialect, log),
    ...toPromptCache(request, dialect, log),
    service_tier: toServiceTier(request.serviceTier, dialect, log),
    ...toEndUser(request.endUserId, dialect, log),
    ...(mode === "stream" ? toStream(dialect) : {}),
    ...providerOptionsOf(request.providerOptions, aliases),
  };
}

function toStream(dialect: Dialect): JsonOutObject {
  return { stream: true, stream_options: dialect.streamOptions ? { include_usage: true } : undefined };
}

/** Shared with Responses, which has the same members. */
export function toServiceTier(tier: string, dialect: Dialect, log: TranslationLog): string | undefined {
  if (tier === "") return undefined;
  if (dialect.serviceTier) return tier;
  log.dropped("service_tier", "the provider has no service tiers");
  return undefined;
}

/** Shared with Responses, which has the same members. */
export function toEndUser(id: string, dialect: Dialect, log: TranslationLog): JsonOutObject {
  if (id === "") return {};
  if (dialect.endUser !== undefined) return { [dialect.endUser]: id };
  log.dropped("end_user_id", "the provider takes no ids of end users");
  return {};
}

const wordByModality: Readonly<Partial<Record<Modality, "image" | "audio">>> = {
  [Modality.IMAGE]: "image",
  [Modality.AUDIO]: "audio",
};

const nameByModality: Readonly<Partial<Record<Modality, string>>> = {
  [Modality.TEXT]: "text",
  [Modality.IMAGE]: "image",
  [Modality.AUDIO]: "audio",
  [Modality.VIDEO]: "video",
  [Modality.DOCUMENT]: "document",
  [Modality.EMBEDDING]: "embedding",
};

function toOutput(request: CompleteRequest, mode: Mode, dialect: Dialect, log: TranslationLog): JsonOutObject {
  const words: string[] = [];
  for (const [position, modality] of request.outputModalities.entries()) {
    const word = wordByModality[modality];
    if (modality === Modality.TEXT) words.push("text");
    else if (word !== undefined && dialect.outputModalities.includes(word)) words.push(word);
    else
      log.unsupported(
        `output_modalities[${position}]`,
        `the provider gives no ${nameByModality[modality] ?? "such"} output`,
      );
  }
  const isTextOnly = words.every((word) => word === "text");
  if (request.audioOutput !== undefined && !words.includes("audio")) {
    log.dropped("audio_output", "audio is not among the output modalities");
  }
  if (isTextOnly) return {};
  return { modalities: words, audio: words.includes("audio") ? toAudioOutput(request, mode, log) : undefined };
}

/** OpenAI wants both members, and streams raw samples only. */
function toAudioOutput(request: CompleteRequest, mode: Mode, log: TranslationLog): JsonOut {
  const voice = request.audioOutput?.voice || "alloy";
  const mediaType = request.audioOutput?.mediaType ?? "";
  const asked = mediaType === "" ? undefined : toAudioFormat(mediaType);
  if (mediaType !== "" && asked === undefined)
    log.unsupported("audio_output.media_type", "the provider has no such format");
  if (mode === "unary") return { voice, format: asked ?? "wav" };
  if (asked !== undefined && asked !== "pcm16")
    log.adjusted("audio_output.media_type", "streams carry 16-bit PCM only");
  return { voice, format: "pcm16" };
}

/** Longest time to live that the default retention covers, in seconds: it lasts 5 to 10 minutes of silence. */
const shortRetentionSeconds = 600n;

/** Shared with Responses, which has the same members. */
export function toPromptCache(request: CompleteRequest, dialect: Dialect, log: TranslationLog): JsonOutObject {
  const cache = request.promptCache;
  if (cache === undefined) return {};
  if (cache.cachedContent !== "")
    log.dropped("prompt_cache.cached_content", "the provider has no stored prompt content");
  if (cache.key !== "" && !dialect.promptCacheKey) log.dropped("prompt_cache.key", "the provider has no cache keys");
  const isLong = cache.ttl !== undefined && cache.ttl.seconds > shortRetentionSeconds;
  if (isLong && !dialect.promptCacheRetention)
    log.dropped("prompt_cache.ttl", "the provider sets the time to live itself");
  return {
    prompt_cache_key: cache.key !== "" && dialect.promptCacheKey ? cache.key : undefined,
    prompt_cache_retention: isLong && dialect.promptCacheRetention ? "24h" : undefined,
  };
}
