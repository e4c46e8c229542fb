// Circuit breaker of one target. Closed: calls pass, failures are counted. Open: nobody calls until its time is over.
// Half-open: one probe at a time; its success closes the circuit, its failure opens it for twice as long. What comes
// back late from calls made before it opened changes nothing while it is open.
import { DecayedAverage } from "./decayed-average.ts";
import type { RoutingLimits } from "./routing-limits.ts";

export type CircuitState = "closed" | "open" | "half-open";

export class Breaker {
  readonly #limits: RoutingLimits;
  readonly #failureRatio: DecayedAverage;
  #inARow = 0;
  /** 0: closed. */
  #openUntilMs = 0;
  #openedForMs = 0;
  #probeUntilMs = 0;

  constructor(limits: RoutingLimits) {
    this.#limits = limits;
    this.#failureRatio = new DecayedAverage(limits.healthHalfLifeMs);
  }

  state(nowMs: number): CircuitState {
    if (this.#openUntilMs === 0) return "closed";
    return nowMs < this.#openUntilMs ? "open" : "half-open";
  }

  /** Whether a call may start at this time. */
  admits(nowMs: number): boolean {
    return this.#openUntilMs === 0 || (nowMs >= this.#openUntilMs && nowMs >= this.#probeUntilMs);
  }

  /** Unix milliseconds from which a call may start, as far as known; 0: at once. */
  get readyAtMs(): number {
    return this.#openUntilMs === 0 ? 0 : Math.max(this.#openUntilMs, this.#probeUntilMs);
  }

  /** Unix milliseconds at which the open time ends; 0: the circuit is closed. */
  get openUntilMs(): number {
    return this.#openUntilMs;
  }

  /** A call is going to start at this time: when the circuit is not closed it is the probe, and the only one. */
  reserve(startAtMs: number): void {
    if (this.#openUntilMs !== 0) this.#probeUntilMs = startAtMs + this.#limits.probeLeaseMs;
  }

  /** The reserved call said nothing about the target: the next one may probe. */
  release(): void {
    this.#probeUntilMs = 0;
  }

  succeeded(nowMs: number): void {
    this.#failureRatio.add(0, nowMs);
    this.#inARow = 0;
    if (this.state(nowMs) === "half-open") this.#close();
  }

  failed(nowMs: number): void {
    this.#failureRatio.add(1, nowMs);
    this.#inARow += 1;
    const state = this.state(nowMs);
    if (state === "closed" && this.#tripped(nowMs)) this.#open(this.#limits.circuitOpenMs, nowMs);
    // Never shorter than it was open for before, nor longer than the most, unless it was opened for long.
    const longestMs = Math.max(this.#limits.circuitOpenMsMax, this.#openedForMs);
    if (state === "half-open") this.#open(Math.min(this.#openedForMs * 2, longestMs), nowMs);
  }

  /** Opens at once and for long: our key was refused or the account is empty. */
  failedForLong(nowMs: number): void {
    this.#inARow += 1;
    if (this.state(nowMs) === "open") return;
    const { circuitOpenMsLong, circuitOpenMsLongMax } = this.#limits;
    this.#open(Math.min(circuitOpenMsLongMax, Math.max(circuitOpenMsLong, this.#openedForMs * 2)), nowMs);
  }

  /** Share of recent answers that were failures, from 0 to 1; 0 when nothing is known. */
  get failureRatio(): number {
    return this.#failureRatio.value ?? 0;
  }

  #tripped(nowMs: number): boolean {
    if (this.#inARow >= this.#limits.circuitFailures) return true;
    return (
      this.#failureRatio.weight(nowMs) >= this.#limits.circuitSamplesMin &&
      this.failureRatio >= this.#limits.circuitFailureRatio
    );
  }

  #open(forMs: number, nowMs: number): void {
    this.#openedForMs = forMs;
    this.#openUntilMs = nowMs + forMs;
    this.#probeUntilMs = 0;
  }

  #close(): void {
    this.#openUntilMs = 0;
    this.#openedForMs = 0;
    this.#probeUntilMs = 0;
    this.#failureRatio.clear(); // The old failures must not open it again at the next one.
  }
}
