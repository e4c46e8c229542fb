import type { LeaseStore } from "../../domain/lease-store.ts";
import type { WorkerChannel } from "./worker-channel.ts";

/** The accounts of the data folder, which the primary process has open. A worker that dies has told of what it spent, or its lease counts. */
export function createRemoteLeaseStore(channel: WorkerChannel): LeaseStore {
  return {
    exchange: (exchange) => channel.ask("exchange", exchange),
    allow: () => {}, // Of a worker that dies the whole lease counts: its next life is not told from its siblings.
    drop: () => {},
    used: (key) => channel.ask("used", key),
    close: async () => {}, // The accounts are the primary process's to close.
  };
}
