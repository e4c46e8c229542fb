import type { RoutingLimits } from "./routing-limits.ts";

/**
 * Token bucket against retry storms: asking a target again costs a token; answers and time earn them back. When a target
 * is down for everybody, calls stop doubling its load after a burst. Going on to another target is free: that moves load,
 * it does not multiply it.
 */
export class RetryBudget {
  readonly #limits: RoutingLimits;
  #tokens: number;
  #atMs = 0;

  constructor(limits: RoutingLimits) {
    this.#limits = limits;
    this.#tokens = limits.retryTokensMax;
  }

  has(nowMs: number): boolean {
    this.#refill(nowMs);
    return this.#tokens >= 1;
  }

  /** Call only after `has`. */
  take(): void {
    this.#tokens -= 1;
  }

  succeeded(): void {
    this.#tokens = Math.min(this.#limits.retryTokensMax, this.#tokens + this.#limits.retryTokensPerSuccess);
  }

  #refill(nowMs: number): void {
    const earned = (Math.max(0, nowMs - this.#atMs) / 1_000) * this.#limits.retryTokensPerSecond;
    this.#tokens = Math.min(this.#limits.retryTokensMax, this.#tokens + earned);
    this.#atMs = Math.max(this.#atMs, nowMs);
  }
}
