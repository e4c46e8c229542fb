import type { LeaseStore } from "../../domain/lease-store.ts";
import type { CorrectionAnswer } from "../../ledger/correction-answer.ts";
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
  readonly usage: {
    readonly siblings: UsageSiblings;
    onAsk(ask: Ask): void;
    /** Corrects an event of another journal, which has it. */
    correctIn(shard: number, request: Uint8Array): Promise<CorrectionAnswer>;
    /** Hears how an event of the own journal is corrected. */
    onCorrect(correct: (request: Uint8Array) => Promise<CorrectionAnswer>): void;
  };
  /** The page of all processes. */
  readonly metricsPage: () => Promise<string>;
  /** Hears how the page of this process is had. */
  onMetrics(own: () => string): void;
  /** Whether all processes serve. */
  isReady(): boolean;
};
