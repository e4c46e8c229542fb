// Sums are given page by page, in the order of time and names: what lies behind a page need not be summed for it. A question
// is therefore asked in pieces, small at first, until the page is full or nothing is left.
import type { SumQuery, SumRow } from "./index-query.ts";
import { floorTo, nextAfter } from "./time-buckets.ts";
import { cutOf, type UserRange } from "./usage-sql.ts";

export type SumSource = {
  readonly sum: (query: SumQuery, users?: UserRange) => readonly SumRow[];
  /** Times of the oldest and the newest event; `undefined`: there is none. */
  readonly times: () => { readonly firstMs: number; readonly lastMs: number } | undefined;
  /** The first end users of a range, at most `count`, in order. */
  readonly users: (range: UserRange, count: number) => readonly string[];
};

/** Buckets of the first piece; each is `growth` times the one before. */
const bucketsFirst = 16;
const growth = 8;

/** Rows of the question, one more than `limit` when there are more. */
export function sumInPieces(query: SumQuery, source: SumSource): readonly SumRow[] {
  if (query.interval !== "all") return sumByTime(query, query.interval, source);
  if (query.groupBy[0] === "end_user" && cutOf(query) === "user") return sumByUser(query, source);
  return source.sum(query);
}

function sumByTime(
  query: SumQuery,
  interval: Exclude<SumQuery["interval"], "all">,
  source: SumSource,
): readonly SumRow[] {
  const times = source.times();
  if (times === undefined) return [];
  const { fromMs = -Infinity, toMs = Infinity } = query.filter;
  const endMs = Math.min(toMs, nextAfter(interval, times.lastMs));
  const rows: SumRow[] = [];
  let beginMs = Math.max(fromMs, floorTo(interval, times.firstMs), query.after?.[0] ?? -Infinity);
  for (let buckets = bucketsFirst; beginMs < endMs && rows.length <= query.limit; buckets *= growth) {
    const pieceEndMs = Math.min(endMs, nextAfter(interval, floorTo(interval, beginMs), buckets));
    const filter = { ...query.filter, fromMs: beginMs, toMs: pieceEndMs };
    rows.push(...source.sum({ ...query, filter, limit: query.limit - rows.length }));
    beginMs = pieceEndMs;
  }
  return rows;
}

function sumByUser(query: SumQuery, source: SumSource): readonly SumRow[] {
  const rows: SumRow[] = [];
  const from = query.after?.[1]; // May have more rows, by the dimensions that follow.
  let after: string | undefined;
  for (let count = query.limit + 1; rows.length <= query.limit; count *= growth) {
    const next = source.users({ from, after }, count);
    const isLast = next.length < count;
    const upTo = isLast ? undefined : next.at(-1);
    rows.push(...source.sum({ ...query, limit: query.limit - rows.length }, { from, after, upTo }));
    if (isLast) return rows;
    after = upTo;
  }
  return rows;
}
