import { create } from "@bufbuild/protobuf";
import { type CacheWrite, CacheWriteSchema, type Usage, UsageSchema, UsageSource } from "../../contract.ts";
import { asArray, asObject, asString, type JsonRecord } from "../../wire/json.ts";
import { toTokenCount } from "../token-count.ts";
import { wordTable } from "../word-table.ts";

/**
 * "TokenUsage": `inputTokens` leaves out what was read from or written to the cache; the contract's count is inclusive.
 * `undefined` when there are no counts.
 */
export function toUsage(raw: JsonRecord | undefined): Usage | undefined {
  const uncached = toTokenCount(raw?.["inputTokens"]);
  const outputTokens = toTokenCount(raw?.["outputTokens"]);
  if (raw === undefined || (uncached === undefined && outputTokens === undefined)) return undefined;
  const cacheRead = toTokenCount(raw["cacheReadInputTokens"] ?? raw["cacheReadInputTokenCount"]);
  const cacheWrite = toTokenCount(raw["cacheWriteInputTokens"] ?? raw["cacheWriteInputTokenCount"]);
  const usage = create(UsageSchema, {
    cacheWrites: toCacheWrites(raw["cacheDetails"], cacheWrite),
    providerToolCalls: toToolCalls(asObject(raw["serverToolUsage"])),
    source: UsageSource.PROVIDER,
  });
  if (uncached !== undefined) usage.inputTokens = uncached + (cacheRead ?? 0) + (cacheWrite ?? 0);
  if (outputTokens !== undefined) usage.outputTokens = outputTokens;
  if (cacheRead !== undefined) usage.cacheReadInputTokens = cacheRead;
  if (cacheWrite !== undefined) usage.cacheWriteInputTokens = cacheWrite;
  return usage;
}

const secondsByTtl = wordTable<bigint>({ "5m": 300n, "1h": 3600n });

/** "CacheDetail": the writes by time to live, where they add up to the whole. */
function toCacheWrites(details: unknown, total: number | undefined): CacheWrite[] {
  const writes = (asArray(details) ?? []).flatMap((detail) => {
    const entry = asObject(detail) ?? {};
    const seconds = secondsByTtl[asString(entry["ttl"]) ?? ""];
    const inputTokens = toTokenCount(entry["inputTokens"]) ?? 0;
    return seconds === undefined || inputTokens === 0
      ? []
      : [create(CacheWriteSchema, { ttl: { seconds }, inputTokens })];
  });
  const sum = writes.reduce((all, write) => all + write.inputTokens, 0);
  return writes.length > 0 && sum === total ? writes : [];
}

/** "webSearchRequests": 2 to "web_search": 2. */
function toToolCalls(raw: JsonRecord | undefined): Record<string, number> {
  const counts = Object.entries(raw ?? {}).flatMap(([name, value]) => {
    const count = toTokenCount(value) ?? 0;
    const tool = name.replace(/Requests$/, "").replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    return count > 0 ? [[tool, count] as const] : [];
  });
  return Object.fromEntries(counts);
}
