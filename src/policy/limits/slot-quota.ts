// A limit on calls in flight that several processes of one machine share: slots are taken from the process that counts
// them, kept while calls need them, and given up when another process needs them. A call waits for an answer only when
// this process has no slot left.
import type { Hold, Quota, QuotaDenial } from "../quota.ts";
import { slotWaitMs } from "./limit-gate.ts";

/** Who counts the slots of all processes. */
export interface SlotStore {
  /** How many of `need` slots, or more, this process has got. Rejects when it cannot be asked. */
  take(key: string, limit: number, need: number): Promise<number>;
  giveBack(key: string, count: number): void;
  /** `recall` gives up the slots of an account that are not in use, and tells how many. */
  onRecall(key: string, recall: () => number): void;
  /** The account is not used here any more. */
  offRecall(key: string): void;
}

const limits = {
  waitingMax: 10_000,
  /** After a refusal the store is not asked again for so long: refusals must be cheap. Slots that come free here count. */
  refusedMs: 10,
} as const;

type Waiting = { readonly nowMs: number; readonly resolve: (outcome: Hold | QuotaDenial) => void };

export type SlotQuotaOptions = { readonly key: string; readonly limit: number; readonly store: SlotStore };

export function createSlotQuota({ key, limit: firstLimit, store }: SlotQuotaOptions): Quota {
  let limit = firstLimit;
  let held = 0;
  let inUse = 0;
  /** Fewest idle slots since the last report: so many were not needed. */
  let idleLow = 0;
  let refusedUntilMs = Number.NEGATIVE_INFINITY;
  let isAsking = false;
  let isFresh = true;
  let isClosed = false;
  const waiting: Waiting[] = [];
  store.onRecall(key, () => {
    const idle = held - inUse;
    held -= idle;
    idleLow = 0;
    return idle;
  });

  function enter(): Hold {
    inUse += 1;
    idleLow = Math.min(idleLow, held - inUse);
    return {
      settle() {
        inUse -= 1;
        serveWaiting();
        if (isClosed) giveBack(held - inUse);
      },
    };
  }

  function serveWaiting(): void {
    while (held > inUse) {
      const first = waiting.shift();
      if (first === undefined) return;
      first.resolve(enter());
    }
  }

  function denialAt(because: QuotaDenial["because"], nowMs: number): QuotaDenial {
    return { because, resetsAtMs: nowMs + slotWaitMs };
  }

  async function ask(): Promise<void> {
    isAsking = true;
    while (waiting.length > 0) {
      const asked = waiting.length;
      let because: QuotaDenial["because"] = "exhausted";
      try {
        held += await store.take(key, limit, asked);
      } catch {
        because = "unreachable"; // The process that counts is ending, and so is this one.
      }
      const last = waiting[asked - 1];
      serveWaiting();
      if (last === undefined || !waiting.includes(last)) continue;
      // Those who asked and are left: there is nothing for them.
      for (const one of waiting.splice(0, waiting.indexOf(last) + 1)) {
        refusedUntilMs = Math.max(refusedUntilMs, one.nowMs + limits.refusedMs);
        one.resolve(denialAt(because, one.nowMs));
      }
    }
    isAsking = false;
  }

  function giveBack(count: number): void {
    if (count <= 0) return;
    held -= count;
    store.giveBack(key, count);
  }

  return {
    change(changed) {
      const isLess = Number(changed) < limit;
      limit = Number(changed);
      if (isLess) giveBack(held - inUse);
    },
    tryReserve() {
      isFresh = true;
      return isClosed || waiting.length > 0 || held <= inUse ? undefined : enter();
    },
    reserve(_amount, nowMs) {
      isFresh = true;
      if (isClosed || waiting.length >= limits.waitingMax) return Promise.resolve(denialAt("unreachable", nowMs));
      if (waiting.length === 0 && held > inUse) return Promise.resolve(enter());
      if (nowMs < refusedUntilMs) return Promise.resolve(denialAt("exhausted", nowMs));
      return new Promise((resolve) => {
        waiting.push({ nowMs, resolve });
        if (!isAsking) void ask(); // Never rejects: each outcome is told to who waits.
      });
    },
    state: () => ({ spent: 0n, reserved: BigInt(inUse), resetsAtMs: Number.POSITIVE_INFINITY }),
    refresh: () => Promise.resolve(),
    async report(returnRest) {
      giveBack(returnRest ? held - inUse : Math.min(idleLow, held - inUse));
      idleLow = held - inUse;
    },
    async retire() {
      const wasFresh = isFresh;
      isFresh = false;
      if (wasFresh || isAsking || inUse > 0) return false;
      isClosed = true;
      giveBack(held);
      store.offRecall(key);
      return true;
    },
  };
}
