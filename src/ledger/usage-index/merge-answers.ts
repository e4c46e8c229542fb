// Answers of several indexes, each of its own journal, put together as if they were one. A place gets the number of its
// shard, so that places of two journals are never the same and a page begins where the last one ended.
import type { EventRow, ListQuery, SumQuery, SumRow } from "./index-query.ts";
import { metrics } from "./index-query.ts";

/** More journals than a gateway can have. */
export const shardsMax = 1_024;

const factor = BigInt(shardsMax);

export type ShardRows<Row> = { readonly shard: number; readonly rows: readonly Row[] };

/** Rows with the same key are one. Each shard has given all of its first `limit + 1` rows, so the first `limit` are whole. */
export function mergeSums(
  answers: readonly ShardRows<SumRow>[],
  { limit }: Pick<SumQuery, "limit">,
): readonly SumRow[] {
  const rows = new Map<string, SumRow>();
  for (const row of answers.flatMap((answer) => answer.rows)) {
    const key = JSON.stringify([row.bucketMs, ...row.values]);
    const known = rows.get(key);
    rows.set(key, known === undefined ? row : addRows(known, row));
  }
  return [...rows.values()].sort(compareRows).slice(0, limit + 1);
}

/** Newest first, with the places of all. */
export function mergeEvents(
  answers: readonly ShardRows<EventRow>[],
  { limit }: Pick<ListQuery, "limit">,
): readonly EventRow[] {
  const rows = answers.flatMap(({ shard, rows }) => rows.map((row) => ({ ...row, place: toPlace(row.place, shard) })));
  return rows.sort(compareEvents).slice(0, limit + 1);
}

/** The same question for one shard: what stands behind the place of all, by the places of that shard. */
export function listOfShard(query: ListQuery, shard: number): ListQuery {
  const { before } = query;
  if (before === undefined) return query;
  const place = before.place / factor;
  const after = BigInt(shard) < before.place % factor ? 1n : 0n;
  return { ...query, before: { timeMs: before.timeMs, place: place + after } };
}

function toPlace(place: bigint, shard: number): bigint {
  return place * factor + BigInt(shard);
}

function addRows(left: SumRow, right: SumRow): SumRow {
  const sums = { ...left.sums };
  for (const name of metrics) sums[name] += right.sums[name];
  return { ...left, sums };
}

/** In SQLite's order of texts, by their UTF-8 bytes: pages of the shards are cut in that order. */
function compareRows(left: SumRow, right: SumRow): number {
  if (left.bucketMs !== right.bucketMs) return left.bucketMs - right.bucketMs;
  for (const [index, value] of left.values.entries()) {
    const order = Buffer.compare(Buffer.from(value), Buffer.from(right.values[index] ?? ""));
    if (order !== 0) return order;
  }
  return 0;
}

function compareEvents(left: EventRow, right: EventRow): number {
  if (left.timeMs !== right.timeMs) return right.timeMs - left.timeMs;
  return left.place < right.place ? 1 : -1;
}
