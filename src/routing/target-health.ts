// What this instance remembers of one deployment (provider, model, region), over all calls: circuit, cooldown, load,
// speed, rate limits. Bounded: some numbers and a ring of samples. Targets of several models that stand for the same
// deployment share it.
import type { HttpHeaders } from "../domain/http.ts";
import type { ProviderFailure } from "../domain/provider-failure.ts";
import { unreachable } from "../domain/unreachable.ts";
import { Breaker, type CircuitState } from "./breaker.ts";
import { cooldownMs } from "./cooldown.ts";
import { DecayedAverage } from "./decayed-average.ts";
import type { FailureRule } from "./decide.ts";
import { ProviderLimits } from "./provider-limits.ts";
import { RecentQuantile } from "./recent-quantile.ts";
import { RetryBudget } from "./retry-budget.ts";
import type { RoutingLimits } from "./routing-limits.ts";

/** For metrics and RouteService. `undefined`: not known yet. */
export type HealthSnapshot = {
  readonly circuit: CircuitState;
  /** Unix milliseconds until which no call starts (open circuit or cooldown); `undefined`: it may be called. */
  readonly unavailableUntilMs: number | undefined;
  readonly inFlight: number;
  readonly timeToFirstTokenMs: number | undefined;
  readonly timeToFirstTokenMsP95: number | undefined;
  readonly outputTokensPerSecond: number | undefined;
  /** Share of recent answers that were the target's failures, from 0 to 1. */
  readonly failureRatio: number;
  readonly remainingRequests: number | undefined;
  readonly remainingTokens: number | undefined;
};

export type Served = {
  readonly durationMs: number;
  readonly timeToFirstTokenMs: number | undefined;
  readonly outputTokens: number | undefined;
};

export class TargetHealth {
  readonly #limits: RoutingLimits;
  /** Keys that the credential store can rotate through. */
  readonly #credentials: number;
  readonly breaker: Breaker;
  readonly retries: RetryBudget;
  readonly providerLimits = new ProviderLimits();
  readonly #timeToFirstToken: DecayedAverage;
  readonly #speed: DecayedAverage;
  readonly #outputTokens: DecayedAverage;
  readonly #firstTokens = new RecentQuantile();
  #cooldownUntilMs = 0;
  #rateLimitedInARow = 0;
  #refusedInARow = 0;
  inFlight = 0;
  /** Attempts that were given to calls and are not under way yet: they are still being prepared, or wait. */
  #granted = 0;

  constructor(limits: RoutingLimits, credentials: number) {
    this.#limits = limits;
    this.#credentials = credentials;
    this.breaker = new Breaker(limits);
    this.retries = new RetryBudget(limits);
    this.#timeToFirstToken = new DecayedAverage(limits.healthHalfLifeMs);
    this.#speed = new DecayedAverage(limits.healthHalfLifeMs);
    this.#outputTokens = new DecayedAverage(limits.healthHalfLifeMs * 10);
  }

  get cooldownUntilMs(): number {
    return this.#cooldownUntilMs;
  }

  /** Neither open nor cooling down. */
  isUsable(nowMs: number): boolean {
    return nowMs >= this.#cooldownUntilMs && this.breaker.admits(nowMs);
  }

  /** Unix milliseconds from which it is usable, as far as known; in the past when it is. */
  get usableAtMs(): number {
    return Math.max(this.#cooldownUntilMs, this.breaker.readyAtMs);
  }

  /** End of cooldown and open time; a probe that is out does not count, since its answer may come at any moment. */
  get recoversAtMs(): number {
    return Math.max(this.#cooldownUntilMs, this.breaker.openUntilMs);
  }

  /** Attempts under way and about to be: what a limit of calls in flight is compared with. */
  get load(): number {
    return this.inFlight + this.#granted;
  }

  granted(): void {
    this.#granted += 1;
  }

  /** What was granted does not start, or has started. */
  grantEnded(): void {
    this.#granted = Math.max(0, this.#granted - 1);
  }

  started(): void {
    this.inFlight += 1;
  }

  ended(): void {
    this.inFlight = Math.max(0, this.inFlight - 1);
  }

  observed(headers: HttpHeaders, nowMs: number): void {
    this.providerLimits.observe(headers, nowMs);
  }

  succeeded(seen: Served, nowMs: number): void {
    this.breaker.succeeded(nowMs);
    this.retries.succeeded();
    this.#rateLimitedInARow = 0;
    this.#refusedInARow = 0;
    const { durationMs, timeToFirstTokenMs, outputTokens } = seen;
    if (outputTokens !== undefined) this.#outputTokens.add(outputTokens, nowMs);
    // A unary answer tells no first token: its whole time stands for it, which keeps unary and streaming targets apart
    // only as far as they really differ to the caller.
    const firstTokenMs = timeToFirstTokenMs ?? durationMs;
    this.#timeToFirstToken.add(firstTokenMs, nowMs);
    this.#firstTokens.add(firstTokenMs);
    const generatingMs = durationMs - (timeToFirstTokenMs ?? 0);
    if (outputTokens !== undefined && outputTokens > 1 && generatingMs > 0) {
      this.#speed.add((outputTokens * 1_000) / generatingMs, nowMs);
    }
  }

  failed(failure: ProviderFailure, rule: FailureRule, nowMs: number): void {
    const { retryAfterMs } = failure.facts;
    switch (rule.blame) {
      case "circuit":
        this.breaker.failed(nowMs);
        if (retryAfterMs !== undefined) this.#coolDown(cooldownMs(retryAfterMs, 1, this.#limits), nowMs);
        return;
      case "circuit-for-long":
        this.#refusedInARow += 1;
        // With several keys the store rotates first: only when each was refused is the target out of service.
        if (this.#refusedInARow >= this.#credentials) this.breaker.failedForLong(nowMs);
        return;
      case "cooldown":
        this.#rateLimitedInARow += 1;
        this.breaker.release(); // It answered, so a probe has done its work, though it brought no success.
        if (this.#rateLimitedInARow >= this.#credentials) {
          const inARow = this.#rateLimitedInARow - this.#credentials + 1;
          this.#coolDown(cooldownMs(retryAfterMs, inARow, this.#limits), nowMs);
        }
        return;
      case "nothing":
        this.breaker.release();
        return;
      default:
        unreachable(rule.blame);
    }
  }

  /** Expected milliseconds until the first token; `undefined`: never seen. */
  get timeToFirstTokenMs(): number | undefined {
    return this.#timeToFirstToken.value;
  }

  get outputTokensPerSecond(): number | undefined {
    return this.#speed.value;
  }

  /** Output tokens of an average answer; `undefined`: never seen. */
  get outputTokens(): number | undefined {
    return this.#outputTokens.value;
  }

  /** How well its speed is known: samples of now. */
  knowledge(nowMs: number): number {
    return this.#timeToFirstToken.weight(nowMs);
  }

  /** 95th percentile of recent times to first token; `undefined` before enough were seen. */
  get timeToFirstTokenMsP95(): number | undefined {
    return this.#firstTokens.count < this.#limits.hedgeSamplesMin ? undefined : this.#firstTokens.p95();
  }

  snapshot(nowMs: number): HealthSnapshot {
    const { recoversAtMs } = this;
    return {
      circuit: this.breaker.state(nowMs),
      unavailableUntilMs: recoversAtMs > nowMs ? recoversAtMs : undefined,
      inFlight: this.inFlight,
      timeToFirstTokenMs: this.timeToFirstTokenMs,
      timeToFirstTokenMsP95: this.timeToFirstTokenMsP95,
      outputTokensPerSecond: this.outputTokensPerSecond,
      failureRatio: this.breaker.failureRatio,
      remainingRequests: this.providerLimits.remainingRequests,
      remainingTokens: this.providerLimits.remainingTokens,
    };
  }

  #coolDown(forMs: number, nowMs: number): void {
    this.#cooldownUntilMs = Math.max(this.#cooldownUntilMs, nowMs + forMs);
  }
}
