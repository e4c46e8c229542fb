import type { LimitConfig } from "../../config/config.ts";
import type { PeriodKind } from "../budgets/period.ts";

/** What a limit counts. */
export type LimitMeter = "requests" | "tokens" | "input-tokens" | "output-tokens" | "concurrency";

/** One number of a `limits:` entry. */
export type LimitRule = {
  readonly meter: LimitMeter;
  readonly limit: number;
  /** The field, for messages and accounts, e.g. "tokens_per_minute". */
  readonly name: string;
  readonly windowMs: number;
  readonly period: PeriodKind;
};

const windows = {
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
} as const;

/** The numbers of an entry, one rule each. */
export function toLimitRules(config: LimitConfig): readonly LimitRule[] {
  const rows: readonly (LimitRule | undefined)[] = [
    toRule("requests", "minute", "requests_per_minute", config.requestsPerMinute),
    toRule("requests", "hour", "requests_per_hour", config.requestsPerHour),
    toRule("requests", "day", "requests_per_day", config.requestsPerDay),
    toRule("tokens", "minute", "tokens_per_minute", config.tokensPerMinute),
    toRule("tokens", "hour", "tokens_per_hour", config.tokensPerHour),
    toRule("tokens", "day", "tokens_per_day", config.tokensPerDay),
    toRule("input-tokens", "minute", "input_tokens_per_minute", config.inputTokensPerMinute),
    toRule("input-tokens", "hour", "input_tokens_per_hour", config.inputTokensPerHour),
    toRule("input-tokens", "day", "input_tokens_per_day", config.inputTokensPerDay),
    toRule("output-tokens", "minute", "output_tokens_per_minute", config.outputTokensPerMinute),
    toRule("output-tokens", "hour", "output_tokens_per_hour", config.outputTokensPerHour),
    toRule("output-tokens", "day", "output_tokens_per_day", config.outputTokensPerDay),
    toRule("concurrency", "minute", "concurrency", config.concurrency),
  ];
  return rows.filter((rule) => rule !== undefined);
}

function toRule(
  meter: LimitMeter,
  window: keyof typeof windows,
  name: string,
  limit: number | undefined,
): LimitRule | undefined {
  return limit === undefined ? undefined : { meter, limit, name, windowMs: windows[window], period: window };
}
