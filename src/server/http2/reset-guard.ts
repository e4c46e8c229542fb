/** Tokens at most, and tokens a second. Real clients stay far below: a cancelled call is one reset. */
const burst = 2_000;
const perSecond = 500;

/**
 * Counts streams that end by a reset. One costs its sender nothing and us a call: a peer that floods us with them is told to
 * calm down (CVE-2023-44487, "rapid reset"). SETTINGS count too, which real peers send a few times in all.
 */
export class ResetGuard {
  #tokens = burst;
  #filledAtMs = performance.now();

  /** False: this one is too many. */
  allows(): boolean {
    if (this.#tokens < 1) {
      const nowMs = performance.now();
      this.#tokens = Math.min(burst, this.#tokens + ((nowMs - this.#filledAtMs) / 1000) * perSecond);
      this.#filledAtMs = nowMs;
    }
    this.#tokens -= 1;
    return this.#tokens >= 0;
  }
}
