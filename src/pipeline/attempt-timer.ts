// The time limits of one attempt on one timer. Activity only notes the time; the timer looks at the note when it fires,
// and is set again for the rest. A stream of 10,000 chunks sets a handful of timers, not 10,000.
import { timerMsMax } from "./call-scope.ts";
import type { Clock } from "./ports.ts";

export type AttemptLimits = {
  /** From the start to the first content; `undefined` for a unary attempt, which has no first token. */
  readonly firstTokenMs: number | undefined;
  /** Between two pieces of the body. */
  readonly idleMs: number | undefined;
  /** From the start to the end. */
  readonly totalMs: number;
  /** Least speed after the first content; `undefined`: none. */
  readonly minRate?: MinRate | undefined;
};

/** In each window so many characters on average must come. */
export type MinRate = { readonly charactersPerSecond: number; readonly windowMs: number };

export type ExpiredLimit = "first-token" | "idle" | "total" | "rate";

export class AttemptTimer {
  readonly #clock: Clock;
  readonly #limits: AttemptLimits;
  readonly #onExpired: (limit: ExpiredLimit) => void;
  readonly #startedMs: number;
  #timer: NodeJS.Timeout | undefined;
  #activeMs: number;
  #hasContent = false;
  #paused = false;
  #isStopped = false;
  readonly #progress: () => number;
  /** The window of the least speed: when it began, and what had come by then. */
  #windowMs = 0;
  #windowProgress = 0;

  /** `progress`: characters that have come so far, asked once a window. */
  constructor(
    clock: Clock,
    limits: AttemptLimits,
    onExpired: (limit: ExpiredLimit) => void,
    progress: () => number = () => 0,
  ) {
    this.#clock = clock;
    this.#progress = progress;
    this.#limits = limits;
    this.#onExpired = onExpired;
    this.#startedMs = clock.monotonicMs();
    this.#activeMs = this.#startedMs;
    this.#arm();
  }

  /** Bytes came. */
  active(): void {
    this.#activeMs = this.#clock.monotonicMs();
  }

  /** The first content came: from now on the idle limit counts. */
  contentSeen(): void {
    if (this.#hasContent || this.#isStopped) return; // An answer without content says so after its end.
    this.#hasContent = true;
    this.active();
    this.#openWindow();
    clearTimeout(this.#timer);
    this.#arm();
  }

  /** While we do not read, silence is ours and not the provider's. */
  set paused(paused: boolean) {
    this.#paused = paused;
    this.active();
    this.#openWindow(); // In which the pause has no part.
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  #arm(): void {
    const due = this.#due();
    const inMs = Math.max(1, Math.ceil(due.atMs - this.#clock.monotonicMs()));
    this.#timer = setTimeout(() => this.#fire(), Math.min(inMs, timerMsMax));
  }

  #due(): { readonly limit: ExpiredLimit; readonly atMs: number } {
    const total = { limit: "total", atMs: this.#startedMs + this.#limits.totalMs } as const;
    const phase = this.#phaseDue();
    const first = phase !== undefined && phase.atMs < total.atMs ? phase : total;
    const rate = this.#rateDue();
    return rate !== undefined && rate.atMs < first.atMs ? rate : first;
  }

  #rateDue(): { readonly limit: "rate"; readonly atMs: number } | undefined {
    const { minRate } = this.#limits;
    if (minRate === undefined || !this.#hasContent) return undefined;
    const sinceMs = this.#paused ? this.#clock.monotonicMs() : this.#windowMs;
    return { limit: "rate", atMs: sinceMs + minRate.windowMs };
  }

  #openWindow(): void {
    this.#windowMs = this.#clock.monotonicMs();
    this.#windowProgress = this.#progress();
  }

  /** True: what came in the window that ends now was too little. */
  #isTrickle({ charactersPerSecond, windowMs }: MinRate): boolean {
    return this.#progress() - this.#windowProgress < (charactersPerSecond * windowMs) / 1_000;
  }

  #phaseDue(): { readonly limit: ExpiredLimit; readonly atMs: number } | undefined {
    const { firstTokenMs, idleMs } = this.#limits;
    if (!this.#hasContent && firstTokenMs !== undefined) {
      return { limit: "first-token", atMs: this.#startedMs + firstTokenMs };
    }
    if (!this.#hasContent || idleMs === undefined) return undefined;
    const sinceMs = this.#paused ? this.#clock.monotonicMs() : this.#activeMs;
    return { limit: "idle", atMs: sinceMs + idleMs };
  }

  #fire(): void {
    const due = this.#due();
    const { minRate } = this.#limits;
    if (due.atMs > this.#clock.monotonicMs()) this.#arm();
    else if (due.limit !== "rate" || minRate === undefined || this.#isTrickle(minRate)) this.#onExpired(due.limit);
    else {
      this.#openWindow();
      this.#arm();
    }
  }
}
