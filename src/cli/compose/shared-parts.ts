import type { LeaseStore } from "../../domain/lease-store.ts";
import type { Ask, UsageSiblings } from "../../ledger/usage-index/usage-siblings.ts";
import type { SlotStore } from "../../policy/limits/slot-quota.ts";
import type { ConnectionSource } from "../../server/connection-source.ts";
import type { ObjectStore } from "../../state/objects/object-store.ts";

/** What a gateway that is one of several processes on one port shares with the others. */
export type SharedParts = {
  /** Accounts and objects of the machine; not used when the config names a cluster, which has its own. */
  readonly leases: LeaseStore;
  readonly objects: ObjectStore;
  readonly slots: SlotStore;
  readonly connections: ConnectionSource;
  readonly usage: { readonly siblings: UsageSiblings; onAsk(ask: Ask): void };
  /** The page of all processes. */
  readonly metricsPage: () => Promise<string>;
  /** Hears how the page of this process is had. */
  onMetrics(own: () => string): void;
  /** Whether all processes serve. */
  isReady(): boolean;
};
