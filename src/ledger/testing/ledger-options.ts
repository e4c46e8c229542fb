import type { LedgerOptions } from "../ledger.ts";

/** A small ledger that says nothing, of the instance "gateway-1" and without the disk's sync; events wait for a publisher. */
export function ledgerOptions(own: Pick<LedgerOptions, "folder"> & Partial<LedgerOptions>): LedgerOptions {
  return {
    instance: "gateway-1",
    durability: "os",
    retainMs: 60_000,
    maxBytes: 1 << 30,
    delivery: "outbox",
    reprice: () => undefined,
    onPoisoned: () => undefined,
    log: { warn: () => undefined, info: () => undefined },
    now: Date.now,
    ...own,
  };
}
