import type { Width } from "./index-schema.ts";

export type BucketWidth = Width | "minute";

/** From inclusive, to exclusive, Unix milliseconds; infinite: no bound. */
export type TimeRange = { readonly source: BucketWidth | "event"; readonly from: number; readonly to: number };

export const fixedWidthMs = { minute: 60_000, hour: 3_600_000, day: 86_400_000 } as const;

/** Cuts a time range into whole buckets of the widest source and what is left at the edges, which the next one takes. */
export function split(from: number, to: number, sources: readonly BucketWidth[]): readonly TimeRange[] {
  if (from >= to) return [];
  const [source, ...finer] = sources;
  if (source === undefined) return [{ source: "event", from, to }];
  const first = Number.isFinite(from) && floorTo(source, from) !== from ? nextAfter(source, from) : from;
  const last = Number.isFinite(to) ? floorTo(source, to) : to;
  if (first >= last) return split(from, to, finer);
  return [...split(from, first, finer), { source, from: first, to: last }, ...split(last, to, finer)];
}

/** Start of the bucket that a time lies in. */
export function floorTo(source: BucketWidth, timeMs: number): number {
  if (source === "month") {
    const date = new Date(timeMs);
    return Date.UTC(date.getUTCFullYear(), date.getUTCMonth());
  }
  const width = fixedWidthMs[source];
  return Math.floor(timeMs / width) * width;
}

/** Start of the bucket that lies `count` behind the one of a time. */
export function nextAfter(source: BucketWidth, timeMs: number, count = 1): number {
  if (source === "month") {
    const date = new Date(timeMs);
    return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + count);
  }
  return floorTo(source, timeMs) + count * fixedWidthMs[source];
}
