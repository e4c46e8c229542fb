// Sums of events, made from their columns when they are asked for: each block that lies in the time range is gone through once.
// In steps of a block, some milliseconds, between which other questions get their turn.
import type { Block } from "./block.ts";
import { GroupKeys } from "./group-keys.ts";
import { GroupSums } from "./group-sums.ts";
import type { SumQuery, SumRow } from "./index-query.ts";
import { keyRows, type TimeKeys } from "./key-rows.ts";
import type { NameBook } from "./name-book.ts";
import { toRowFilter } from "./row-filter.ts";
import type { ScanScratch } from "./scan-scratch.ts";
import { bucketOf, startOf } from "./time-buckets.ts";

export type EventSource = {
  /** As they were when the question was asked. */
  readonly blocks: readonly Block[];
  readonly names: NameBook;
  readonly scratch: ScanScratch;
};

/** Where a page begins: a bucket, and a key in it. */
type Begin = { readonly bucket: number; readonly key: number };

/** Keys are doubles, which are exact up to twice this. */
const keysMax = 2 ** 52;

/** Rows of a question in order, one more than `limit` when there are more. Throws `QuestionFailure`. */
export function* sumEvents(query: SumQuery, source: EventSource): Generator<undefined, readonly SumRow[], undefined> {
  const { interval, limit } = query;
  const { fromMs = -Infinity, toMs = Infinity } = query.filter;
  const blocks = source.blocks
    .filter((block) => block.rows > 0 && block.lastMs >= fromMs && block.firstMs < toMs)
    .sort((a, b) => a.firstMs - b.firstMs);
  const filter = toRowFilter(query.filter, source.names);
  const [first] = blocks;
  if (first === undefined || fromMs >= toMs || [...filter.values()].some((ids) => ids.size === 0)) return [];

  const groups = yield* GroupKeys.of(query, filter, source.names);
  const lastMs = blocks.reduce((latest, block) => Math.max(latest, block.lastMs), -Infinity);
  const endBucket = bucketOf(interval, Math.min(lastMs, toMs)) + 1;
  const bucketsAtOnce = Math.max(1, Math.floor(keysMax / groups.cells));
  const rows: SumRow[] = [];
  let begin = beginOf(query, bucketOf(interval, Math.max(first.firstMs, fromMs)), groups);
  while (begin.bucket < endBucket && rows.length <= limit) {
    const { bucket, key } = begin;
    const nextBucket = Math.min(endBucket, bucket + bucketsAtOnce);
    const times: TimeKeys = {
      fromMs: Math.max(fromMs, startOf(interval, bucket)),
      toMs: Math.min(toMs, startOf(interval, nextBucket)),
      interval,
      firstBucket: bucket,
      cells: groups.cells,
    };
    const sums = new GroupSums(limit + 1 - rows.length, key);
    yield* addBlocks(blocks, groups, times, sums, source.scratch);
    for (const sum of sums.finish()) {
      const bucketMs = interval === "all" ? 0 : startOf(interval, bucket + Math.floor(sum.key / groups.cells));
      rows.push({ bucketMs, values: groups.valuesOf(sum.key), sums: sum.sums });
    }
    // Groups of which corrections left nothing may have taken the places of others.
    begin = sums.isCut
      ? {
          bucket: bucket + Math.floor(sums.keyMax / groups.cells),
          key: (sums.keyMax % groups.cells) + 1,
        }
      : { bucket: nextBucket, key: 0 };
  }
  return rows;
}

function beginOf({ interval, after }: SumQuery, firstBucket: number, groups: GroupKeys): Begin {
  if (after === undefined) return { bucket: firstBucket, key: 0 };
  const [bucketMs, ...values] = after;
  const bucket = bucketOf(interval, bucketMs);
  return bucket < firstBucket ? { bucket: firstBucket, key: 0 } : { bucket, key: groups.behind(values) };
}

function* addBlocks(
  blocks: readonly Block[],
  groups: GroupKeys,
  times: TimeKeys,
  sums: GroupSums,
  scratch: ScanScratch,
): Generator<undefined, void, undefined> {
  for (const block of blocks) {
    if (block.firstMs >= times.toMs) return;
    if ((bucketOf(times.interval, block.firstMs) - times.firstBucket) * groups.cells > sums.keyMax) return;
    if (block.lastMs < times.fromMs) continue;
    if (!keyRows(block, groups.tables, times, scratch)) continue;
    sums.add(block.rows, scratch, (metric) => block.column(metric));
    yield;
  }
}
