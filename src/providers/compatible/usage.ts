import { create } from "@bufbuild/protobuf";
import {
  type CacheWrite,
  CacheWriteSchema,
  type Usage,
  UsageSchema,
  UsageSource,
  type Warning,
} from "../../contract.ts";
import { asNumber, asObject, type JsonRecord } from "../../wire/json.ts";
import { toTokenCount } from "../token-count.ts";
import { otherWarning } from "../warning.ts";
import { wordTable } from "../word-table.ts";

/**
 * Counts of a chat completion or a response (whose fields are `input_…` and `output_…`), inclusive as OpenTelemetry wants them; `undefined` when there is none. Counts that cannot be
 * (negative, fractions, parts larger than their whole) stay unknown and are named in `warnings`.
 */
export function toUsage(raw: JsonRecord, warnings: Warning[]): Usage | undefined {
  const counts = readCounts(raw, warnings);
  if (counts.inputTokens === undefined && counts.outputTokens === undefined) return undefined;
  return create(UsageSchema, { ...counts, source: UsageSource.PROVIDER });
}

function readCounts(raw: JsonRecord, warnings: Warning[]) {
  const input = asObject(raw["prompt_tokens_details"] ?? raw["input_tokens_details"]) ?? {};
  const output = asObject(raw["completion_tokens_details"] ?? raw["output_tokens_details"]) ?? {};
  const count = (holder: JsonRecord, ...names: readonly string[]) => firstCount(holder, names, warnings);

  const inputTokens = count(raw, "prompt_tokens", "input_tokens");
  const reasoning = count(output, "reasoning_tokens") ?? count(raw, "reasoning_tokens"); // Copilot: at the top.
  const outputTokens = withReasoning(raw, inputTokens, count(raw, "completion_tokens", "output_tokens"), reasoning);
  const cacheRead =
    count(input, "cached_tokens") ??
    // DeepSeek; Together, Moonshot, Hugging Face; Mistral; Venice, Doubleword, Vercel.
    count(raw, "prompt_cache_hit_tokens", "cached_tokens", "num_cached_tokens", "cache_read_input_tokens");
  const cacheWrite = count(input, "cache_write_tokens") ?? count(raw, "cache_creation_input_tokens");
  const withinInput = isWithin((cacheRead ?? 0) + (cacheWrite ?? 0), inputTokens, "cached input tokens", warnings);
  const withinOutput = isWithin(reasoning ?? 0, outputTokens, "reasoning tokens", warnings);

  return {
    inputTokens,
    outputTokens,
    cacheReadInputTokens: withinInput ? cacheRead : undefined,
    cacheWriteInputTokens: withinInput ? cacheWrite : undefined,
    cacheWrites: withinInput ? toCacheWrites(raw, cacheWrite) : [],
    reasoningOutputTokens: withinOutput ? reasoning : undefined,
    audioInputTokens: count(input, "audio_tokens"),
    audioOutputTokens: count(output, "audio_tokens"),
    imageInputTokens: count(input, "image_tokens"),
    imageOutputTokens: count(output, "image_tokens"),
    videoInputTokens: count(input, "video_tokens"),
    acceptedPredictionOutputTokens: count(output, "accepted_prediction_tokens"),
    rejectedPredictionOutputTokens: count(output, "rejected_prediction_tokens"),
    providerToolCalls: toToolCalls(raw, warnings),
    ...toAudioDuration(raw),
  };
}

function firstCount(holder: JsonRecord, names: readonly string[], warnings: Warning[]): number | undefined {
  for (const name of names) {
    const value = holder[name];
    if (value === undefined || value === null) continue;
    const count = toTokenCount(value);
    if (count !== undefined) return count;
    warnings.push(otherWarning(`the provider's count ${name} is no token count and was ignored`));
  }
  return undefined;
}

/**
 * Some servers count reasoning apart from `completion_tokens`. xAI: 468 + 82 + 320 of reasoning = 870 in `total_tokens`
 * (recorded 2026-06). Vercel with Gemini: 43 of reasoning beside 14 of output. Both show in the numbers themselves, so no
 * table of servers is needed.
 */
function withReasoning(
  raw: JsonRecord,
  input: number | undefined,
  output: number | undefined,
  reasoning: number | undefined,
): number | undefined {
  if (output === undefined || !reasoning) return output;
  const isApart = toTokenCount(raw["total_tokens"]) === (input ?? 0) + output + reasoning || reasoning > output;
  return isApart ? output + reasoning : output;
}

function isWithin(part: number, whole: number | undefined, what: string, warnings: Warning[]): boolean {
  if (whole === undefined || part <= whole) return true;
  warnings.push(otherWarning(`the provider counts ${part} ${what} of ${whole} in all; the part was ignored`));
  return false;
}

const secondsByField = wordTable<bigint>({
  ephemeral_5m_input_tokens: 300n,
  ephemeral_1h_input_tokens: 3600n,
  ephemeral_24h_input_tokens: 86_400n,
});

/** Split of the cache writes by time to live, where it adds up (Doubleword, and gateways in front of Anthropic). */
function toCacheWrites(raw: JsonRecord, cacheWrite: number | undefined): CacheWrite[] {
  const split = asObject(raw["cache_creation"]);
  if (split === undefined) return [];
  const writes: CacheWrite[] = [];
  let sum = 0;
  for (const [field, seconds] of Object.entries(secondsByField)) {
    const inputTokens = toTokenCount(split[field]);
    if (!inputTokens) continue;
    sum += inputTokens;
    writes.push(create(CacheWriteSchema, { ttl: { seconds }, inputTokens }));
  }
  return sum === cacheWrite ? writes : [];
}

function toToolCalls(raw: JsonRecord, warnings: Warning[]): Record<string, number> {
  const searches =
    firstCount(raw, ["num_search_queries"], warnings) ?? // Perplexity.
    firstCount(asObject(raw["server_tool_use"]) ?? {}, ["web_search_requests"], warnings) ?? // OpenRouter, older.
    firstCount(asObject(raw["server_tool_use_details"]) ?? {}, ["web_search_requests"], warnings); // OpenRouter.
  return searches ? { web_search: searches } : {};
}

/** Mistral bills audio by time. */
function toAudioDuration(raw: JsonRecord): { inputAudioDuration?: { seconds: bigint; nanos: number } } {
  const seconds = asNumber(raw["prompt_audio_seconds"]);
  if (seconds === undefined || seconds < 0 || seconds > 1e9) return {};
  const whole = Math.floor(seconds);
  return { inputAudioDuration: { seconds: BigInt(whole), nanos: Math.floor((seconds - whole) * 1e9) } };
}
