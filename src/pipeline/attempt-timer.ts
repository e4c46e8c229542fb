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
};

export type ExpiredLimit = "first-token" | "idle" | "total";

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

  constructor(clock: Clock, limits: AttemptLimits, onExpired: (limit: ExpiredLimit) => void) {
    this.#clock = clock;
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
    clearTimeout(this.#timer);
    this.#arm();
  }

  /** While we do not read, silence is ours and not the provider's. */
  set paused(paused: boolean) {
    this.#paused = paused;
    this.active();
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
    return phase !== undefined && phase.atMs < total.atMs ? phase : total;
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
    if (due.atMs <= this.#clock.monotonicMs()) this.#onExpired(due.limit);
    else this.#arm();
  }
}
