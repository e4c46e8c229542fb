// What is asked of the index, as plain values that can be sent to its thread.
import type { UsageScope } from "./usage-scope.ts";

export type IndexFilter = {
  readonly scope: UsageScope;
  /** Unix milliseconds, inclusive; `undefined`: from the beginning. */
  readonly fromMs: number | undefined;
  /** Unix milliseconds, exclusive; `undefined`: to the end. */
  readonly toMs: number | undefined;
  /** An empty list takes all. */
  readonly projects: readonly string[];
  readonly keys: readonly string[];
  readonly models: readonly string[];
  readonly providers: readonly string[];
  /** Words, e.g. "succeeded". */
  readonly outcomes: readonly string[];
  readonly labels: readonly (readonly [key: string, value: string])[];
  /** "": all. */
  readonly workflowRun: string;
};

export const dimensions = ["project", "key", "team", "end_user", "model", "provider", "operation", "outcome"] as const;
export type Dimension = (typeof dimensions)[number];
export type Interval = "all" | "minute" | "hour" | "day" | "month";

export type SumQuery = {
  readonly filter: IndexFilter;
  readonly groupBy: readonly Dimension[];
  readonly groupByLabels: readonly string[];
  readonly interval: Interval;
  readonly limit: number;
  /** Key of the last row of the page before: bucket, then the values of `groupBy` and `groupByLabels`. */
  readonly after: readonly [bucketMs: number, ...values: string[]] | undefined;
};

export const metrics = [
  "requests",
  "errors",
  "cache_hits",
  "input_tokens",
  "output_tokens",
  "cache_read_tokens",
  "cache_write_tokens",
  "reasoning_tokens",
  "cost",
  "saved",
  "duration_ms",
  "reported_cost",
  "compared_cost",
] as const;
export type Metric = (typeof metrics)[number];
export type Sums = Readonly<Record<Metric, bigint>>;

export function mapMetrics(of: (name: Metric) => bigint): Sums {
  return {
    requests: of("requests"),
    errors: of("errors"),
    cache_hits: of("cache_hits"),
    input_tokens: of("input_tokens"),
    output_tokens: of("output_tokens"),
    cache_read_tokens: of("cache_read_tokens"),
    cache_write_tokens: of("cache_write_tokens"),
    reasoning_tokens: of("reasoning_tokens"),
    cost: of("cost"),
    saved: of("saved"),
    duration_ms: of("duration_ms"),
    reported_cost: of("reported_cost"),
    compared_cost: of("compared_cost"),
  };
}

export type SumRow = {
  readonly bucketMs: number;
  /** Values of `groupBy`, then of `groupByLabels`. */
  readonly values: readonly string[];
  readonly sums: Sums;
};

export type ListQuery = {
  readonly filter: IndexFilter;
  readonly limit: number;
  /** Time and place of the last event of the page before. */
  readonly before: { readonly timeMs: number; readonly place: bigint } | undefined;
};

/** Events after a place, oldest first. */
export type TailQuery = { readonly filter: IndexFilter; readonly limit: number; readonly after: bigint };

export type EventRow = { readonly timeMs: number; readonly place: bigint; readonly payload: Uint8Array };

/** An event, and the one that has replaced it. */
export type EventWithCorrection = { readonly event: Uint8Array; readonly correction: Uint8Array | undefined };

/** `end`: place up to which everything was looked at. */
export type Tail = { readonly events: readonly EventRow[]; readonly end: bigint };
