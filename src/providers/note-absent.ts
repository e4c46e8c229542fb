// What many APIs have no place for: one way to say so.
import {
  type CompleteRequest,
  type JsonSchemaFormat,
  type Media,
  Modality,
  type Part,
  PromptCacheMode,
  ReasoningVisibility,
  type SamplingParams,
  Verbosity,
} from "../contract.ts";
import type { TranslationLog } from "./translation-log.ts";

/** For an API that answers in text and nothing else. */
export function noteTextOnly(request: CompleteRequest, log: TranslationLog): void {
  const position = request.outputModalities.findIndex((modality) => modality !== Modality.TEXT);
  if (position >= 0) log.unsupported(`output_modalities[${position}]`, "the provider only generates text");
  if (request.audioOutput !== undefined) log.dropped("audio_output", "the provider generates no audio");
}

/** For an API of text chat, and nothing around it: no other output, no say in the cache, no tiers, no end users. */
export function notePlainChat(request: CompleteRequest, log: TranslationLog): void {
  noteTextOnly(request, log);
  noteBreakpoints(request, log);
  noteNoCacheControl(request, log);
  noteNoServiceTier(request, log);
  noteNoEndUser(request, log);
}

/** For an API that caches prompts by itself: only the exact places are lost. Said once a request, not once a part. */
export function noteBreakpoints(request: CompleteRequest, log: TranslationLog): void {
  if (request.promptCache?.mode === PromptCacheMode.OFF) return;
  const field = firstBreakpoint(request);
  if (field !== undefined) log.emulated(field, "the provider places cache breakpoints itself");
}

/** Path of the first cache breakpoint that the caller set; `undefined`: none. */
export function firstBreakpoint({ tools, messages }: CompleteRequest): string | undefined {
  const tool = tools.findIndex((one) => one.cacheBreakpoint !== undefined);
  if (tool >= 0) return `tools[${tool}].cache_breakpoint`;
  for (const [position, message] of messages.entries()) {
    const field = breakpointAmong(message.parts, `messages[${position}].parts`);
    if (field !== undefined) return field;
  }
  return undefined;
}

/** Also inside the results of tools, which hold parts themselves, and those no further results. */
function breakpointAmong(parts: readonly Part[], field: string): string | undefined {
  for (const [index, { cacheBreakpoint, content }] of parts.entries()) {
    const at = `${field}[${index}]`;
    if (cacheBreakpoint !== undefined) return `${at}.cache_breakpoint`;
    if (content.case !== "toolResult") continue;
    const inner = content.value.content.findIndex((part) => part.cacheBreakpoint !== undefined);
    if (inner >= 0) return `${at}.tool_result.content[${inner}].cache_breakpoint`;
  }
  return undefined;
}

/** For an API that takes images, sound and video without a name to show to the model. */
export function noteNoFilename(media: Media, field: string, log: TranslationLog): void {
  if (media.filename !== "") log.dropped(`${field}.filename`, "the model is shown names of documents only");
}

/** For an API that takes a schema and nothing about it. */
export function noteNoSchemaDescription(format: JsonSchemaFormat, log: TranslationLog): void {
  if (format.description === "") return;
  log.dropped("response_format.json_schema.description", "only the schema itself is sent");
}

/** For an API that shows reasoning as the model wrote it. */
export function noteNoSummary(visibility: ReasoningVisibility, log: TranslationLog): void {
  if (visibility !== ReasoningVisibility.SUMMARY) return;
  log.adjusted("reasoning.visibility", "the provider shows the reasoning itself, not a summary");
}

/** For an API whose prompt cache cannot be steered. */
export function noteNoCacheControl(request: CompleteRequest, log: TranslationLog): void {
  noteNoCachedContent(request, log);
  if ((request.promptCache?.key ?? "") !== "") log.dropped("prompt_cache.key", "the provider has no cache keys");
  if (request.promptCache?.ttl !== undefined) {
    log.dropped("prompt_cache.ttl", "the provider sets the time to live itself");
  }
}

/** For an API without processing tiers. */
export function noteNoServiceTier(request: CompleteRequest, log: TranslationLog): void {
  if (request.serviceTier !== "") log.dropped("service_tier", "the provider has no service tiers");
}

/** For an API that is not told who the end user is. */
export function noteNoEndUser(request: CompleteRequest, log: TranslationLog): void {
  if (request.endUserId !== "") log.dropped("end_user_id", "the provider takes no ids of end users");
}

/** For an API without stored prompt content. */
export function noteNoCachedContent(request: CompleteRequest, log: TranslationLog): void {
  if ((request.promptCache?.cachedContent ?? "") === "") return;
  log.dropped("prompt_cache.cached_content", "the provider has no stored prompt content");
}

/** For an API that samples by temperature, top-p and top-k, and by nothing else. */
export function noteRareSampling(sampling: SamplingParams, because: string, log: TranslationLog): void {
  const unknown = {
    "sampling.min_p": sampling.minP,
    "sampling.frequency_penalty": sampling.frequencyPenalty,
    "sampling.presence_penalty": sampling.presencePenalty,
    "sampling.repetition_penalty": sampling.repetitionPenalty,
    "sampling.seed": sampling.seed,
    "sampling.top_logprobs": sampling.topLogprobs,
    "sampling.logit_bias": Object.keys(sampling.logitBias).length > 0 ? true : undefined,
    "sampling.verbosity": sampling.verbosity === Verbosity.UNSPECIFIED ? undefined : true,
  };
  for (const [field, value] of Object.entries(unknown)) {
    if (value !== undefined) log.dropped(field, because);
  }
}
