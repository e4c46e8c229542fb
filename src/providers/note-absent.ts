// What many APIs have no place for: one way to say so.
import { type CompleteRequest, Modality, PromptCacheMode } from "../contract.ts";
import type { TranslationLog } from "./translation-log.ts";

/** For an API that answers in text and nothing else. */
export function noteTextOnly(request: CompleteRequest, log: TranslationLog): void {
  const position = request.outputModalities.findIndex((modality) => modality !== Modality.TEXT);
  if (position >= 0) log.unsupported(`output_modalities[${position}]`, "the provider only generates text");
  if (request.audioOutput !== undefined) log.dropped("audio_output", "the provider generates no audio");
}

/** For an API that caches prompts by itself: only the exact places are lost. Said once a request, not once a part. */
export function noteBreakpoints(request: CompleteRequest, log: TranslationLog): void {
  const { promptCache, messages, tools } = request;
  if (promptCache?.mode === PromptCacheMode.OFF) return;
  const message = messages.findIndex((one) => one.parts.some((part) => part.cacheBreakpoint !== undefined));
  const tool = tools.findIndex((one) => one.cacheBreakpoint !== undefined);
  if (message < 0 && tool < 0) return;
  const field = tool >= 0 ? `tools[${tool}].cache_breakpoint` : `messages[${message}].parts`;
  log.emulated(field, "the provider places cache breakpoints itself");
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
