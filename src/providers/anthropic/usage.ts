import { create } from "@bufbuild/protobuf";
import { DurationSchema } from "@bufbuild/protobuf/wkt";
import { type CacheWrite, CacheWriteSchema, type Usage, UsageSchema, UsageSource } from "../../contract.ts";
import { asObject, type JsonRecord } from "../../wire/json.ts";
import { toTokenCount } from "../token-count.ts";

/** `message_delta` repeats and corrects what `message_start` said: the last value of each count wins, never the sum. */
export function mergeUsage(earlier: JsonRecord, later: JsonRecord | undefined): JsonRecord {
  const known = Object.entries(later ?? {}).filter(([, value]) => value !== null);
  return { ...earlier, ...Object.fromEntries(known) };
}

/**
 * Anthropic's `input_tokens` leaves out what was read from or written to the cache ("Prompt caching", "Tracking cache
 * performance"); the contract's count is inclusive. `undefined` when no count came at all.
 */
export function toUsage(raw: JsonRecord): Usage | undefined {
  const uncached = toTokenCount(raw["input_tokens"]);
  const outputTokens = toTokenCount(raw["output_tokens"]);
  if (uncached === undefined && outputTokens === undefined) return undefined;
  const split = toCacheWrites(asObject(raw["cache_creation"]));
  const cacheRead = toTokenCount(raw["cache_read_input_tokens"]);
  const cacheWrite = toTokenCount(raw["cache_creation_input_tokens"]) ?? sum(split);
  const usage = create(UsageSchema, {
    // A split that does not add up is older than the total: it came with message_start only.
    cacheWrites: sum(split) === cacheWrite ? split : [],
    providerToolCalls: toToolCalls(asObject(raw["server_tool_use"])),
    source: UsageSource.PROVIDER,
  });
  if (uncached !== undefined) usage.inputTokens = uncached + (cacheRead ?? 0) + (cacheWrite ?? 0);
  if (outputTokens !== undefined) usage.outputTokens = outputTokens;
  if (cacheRead !== undefined) usage.cacheReadInputTokens = cacheRead;
  if (cacheWrite !== undefined) usage.cacheWriteInputTokens = cacheWrite;
  const thinking = toTokenCount(asObject(raw["output_tokens_details"])?.["thinking_tokens"]);
  if (thinking !== undefined) usage.reasoningOutputTokens = thinking;
  return usage;
}

const secondsByKey = { ephemeral_5m_input_tokens: 300n, ephemeral_1h_input_tokens: 3600n } as const;

function toCacheWrites(creation: JsonRecord | undefined): CacheWrite[] {
  return Object.entries(secondsByKey).flatMap(([key, seconds]) => {
    const inputTokens = toTokenCount(creation?.[key]) ?? 0;
    return inputTokens === 0
      ? []
      : [create(CacheWriteSchema, { ttl: create(DurationSchema, { seconds }), inputTokens })];
  });
}

function sum(writes: readonly CacheWrite[]): number | undefined {
  return writes.length === 0 ? undefined : writes.reduce((total, write) => total + write.inputTokens, 0);
}

/** "web_search_requests": 2 to "web_search": 2. */
function toToolCalls(raw: JsonRecord | undefined): Record<string, number> {
  const counts = Object.entries(raw ?? {}).map(([name, value]) => [name, toTokenCount(value) ?? 0] as const);
  const used = counts.filter(([name, count]) => count > 0 && name.endsWith("_requests"));
  return Object.fromEntries(used.map(([name, count]) => [name.slice(0, -"_requests".length), count]));
}
