// What all have spent, asked of the store for many quotas now and then.
import type { Quota } from "./quota.ts";

/** Asked at once: each is a question to the store, and calls ask it for their leases at the same time. */
const lanesMax = 16;

export class QuotaRefresh {
  #isRunning = false;

  /** Never rejects: what the store does not tell now it tells with the next round. Does nothing while a round is under way. */
  async run(quotas: readonly Quota[], nowMs: number): Promise<void> {
    if (this.#isRunning || quotas.length === 0) return;
    this.#isRunning = true;
    try {
      const queue = quotas.values();
      await Promise.all(Array.from({ length: Math.min(lanesMax, quotas.length) }, () => runLane(queue, nowMs)));
    } finally {
      this.#isRunning = false;
    }
  }
}

/** One queue for all lanes: each takes the next quota when it is free. */
async function runLane(queue: IterableIterator<Quota>, nowMs: number): Promise<void> {
  for (const quota of queue) await Promise.allSettled([quota.refresh(nowMs)]);
}
