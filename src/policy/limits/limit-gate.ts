// One limit as a gate that a call passes or not, decided at once: a bucket that fills.
import { unreachable } from "../../domain/unreachable.ts";
import type { LimitMeter, LimitRule } from "./limit-rules.ts";
import { createBucket, refill, take, toClaim, waitMs } from "./token-bucket.ts";

export interface LimitGate {
  readonly subject: string;
  readonly rule: LimitRule;
  /** Nothing passes since the shared state is away; absent: that cannot be. */
  readonly isCutOff?: boolean;
  /** Milliseconds until so much may pass; 0: now. */
  waitMs(amount: number, nowMs: number): number;
  /** Takes it; `waitMs` was 0 a moment ago. Returns what was really claimed, for `settle`. */
  enter(amount: number): number;
  /** Gives back what was claimed and not used, or takes what was used on top. */
  settle(claimed: number, actual: number, nowMs: number): void;
  /** What is used of it and has not come back, what calls in flight hold, and when all is back (Unix milliseconds). */
  state(nowMs: number): { readonly spent: number; readonly reserved: number; readonly resetsAtMs: number };
  /** Nothing is claimed and nothing refills: forgetting it changes nothing. */
  isIdleAt(nowMs: number): boolean;
}

/** How long a call should wait for a slot: nobody knows when a call in flight will end. */
export const slotWaitMs = 1_000;

export function createBucketGate(rule: LimitRule, subject: string, nowMs: number): LimitGate {
  const bucket = createBucket(rule.limit, rule.windowMs, nowMs);
  let inFlight = 0;
  return {
    subject,
    rule,
    waitMs(amount, atMs) {
      refill(bucket, atMs);
      return waitMs(bucket, toClaim(bucket, amount));
    },
    enter(amount) {
      const claim = toClaim(bucket, amount);
      take(bucket, claim);
      inFlight++;
      return claim;
    },
    settle(claimed, actual, atMs) {
      refill(bucket, atMs);
      take(bucket, actual - claimed);
      inFlight--;
    },
    state(atMs) {
      refill(bucket, atMs);
      const spent = bucket.size - bucket.level;
      return { spent: Math.round(spent), reserved: 0, resetsAtMs: atMs + Math.ceil(spent / bucket.unitsPerMs - 1e-3) };
    },
    isIdleAt(atMs) {
      refill(bucket, atMs);
      return inFlight === 0 && bucket.level === bucket.size;
    },
  };
}

/** The amount that a call claims at, or has used of, a meter. */
export function amountOf(
  meter: LimitMeter,
  tokens: { readonly inputTokens: number; readonly outputTokens: number },
): number {
  switch (meter) {
    case "requests":
    case "concurrency":
      return 1;
    case "tokens":
      return tokens.inputTokens + tokens.outputTokens;
    case "input-tokens":
      return tokens.inputTokens;
    case "output-tokens":
      return tokens.outputTokens;
    default:
      return unreachable(meter);
  }
}
