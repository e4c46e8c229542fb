// Buckets of time, aligned to UTC, by their number: a number sorts and is multiplied, a date is neither.

import { unreachable } from "../../domain/unreachable.ts";
import type { Interval } from "./index-query.ts";

const widthMs = { minute: 60_000, hour: 3_600_000, day: 86_400_000 } as const;

/** Number of the bucket that a time lies in; that of the next bucket is one more. Without an interval all is bucket 0. */
export function bucketOf(interval: Interval, timeMs: number): number {
  switch (interval) {
    case "all":
      return 0;
    case "minute":
    case "hour":
    case "day":
      return Math.floor(timeMs / widthMs[interval]);
    case "month": {
      const date = new Date(timeMs);
      return date.getUTCFullYear() * 12 + date.getUTCMonth();
    }
    default:
      return unreachable(interval);
  }
}

/** Unix milliseconds at which a bucket begins. Without an interval the one bucket begins before all and the next after all. */
export function startOf(interval: Interval, bucket: number): number {
  switch (interval) {
    case "all":
      return bucket <= 0 ? -Infinity : Infinity;
    case "minute":
    case "hour":
    case "day":
      return bucket * widthMs[interval];
    case "month":
      return new Date(0).setUTCFullYear(Math.floor(bucket / 12), bucket - Math.floor(bucket / 12) * 12, 1);
    default:
      return unreachable(interval);
  }
}
