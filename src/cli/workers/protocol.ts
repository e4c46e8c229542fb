// What the primary process and its workers say to each other. Both are the same version of this program, so the names
// say what the values are.
import type { Config } from "../../config/config.ts";
import type { LeaseExchange, LeaseGrant } from "../../domain/lease-store.ts";
import type { CorrectionAnswer } from "../../ledger/correction-answer.ts";
import type { WorkerQuestion } from "../../ledger/usage-index/index-worker.ts";
import type { ExpectedRevision, ObjectChange, StoredObject } from "../../state/objects/object-store.ts";

/** A change that was made, or the reason why not: conflicts are told apart from failures. */
export type ObjectOutcome<Value> = { readonly kind: "done"; readonly value: Value } | { readonly kind: "conflict" };

/** What a worker begins with. */
export type WorkerStart = {
  /** Its own part: folder, shares of what is limited for a process. Durations and paths as in every `Config`. */
  readonly config: Config;
  /** 1, 2, … */
  readonly worker: number;
  /** `gateway_instance` of its events. */
  readonly instance: string;
  /** What the primary process listens on. */
  readonly address: string;
  readonly port: number;
};

/** Body and answer of each question that a worker asks the primary process. */
export type WorkerAsks = {
  /** Accounts of budgets and limits; of use without a cluster only. */
  readonly exchange: { body: LeaseExchange; answer: LeaseGrant };
  readonly used: { body: string; answer: bigint };
  /** So many more calls at once; the answer is how many of `need` it gets, and maybe more. */
  readonly slots: { body: { readonly key: string; readonly limit: number; readonly need: number }; answer: number };
  readonly objectGet: { body: string; answer: StoredObject | undefined };
  readonly objectList: {
    body: { readonly prefix: string; readonly after: string; readonly limit: number };
    answer: readonly StoredObject[];
  };
  readonly objectPut: {
    body: { readonly key: string; readonly value: string; readonly expected: ExpectedRevision };
    answer: ObjectOutcome<number>;
  };
  readonly objectDelete: {
    body: { readonly key: string; readonly expected: Exclude<ExpectedRevision, "absent"> };
    answer: ObjectOutcome<boolean>;
  };
  /** Every object that is there; changes come as `objectChanged` from then on. */
  readonly objectWatch: { body: undefined; answer: readonly StoredObject[] };
  /** Numbers of all journals beside the worker's own: workers, and folders that no worker has any more. */
  readonly usageShards: { body: undefined; answer: readonly number[] };
  readonly usage: { body: { readonly shard: number; readonly question: WorkerQuestion }; answer: unknown };
  /** `request` in the binary form of the contract, for the journal that has the event. */
  readonly correctUsage: { body: { readonly shard: number; readonly request: Uint8Array }; answer: CorrectionAnswer };
  /** The metrics page of all processes together. */
  readonly metrics: { body: undefined; answer: string };
};

export type WorkerNews = {
  /** It takes connections from now on. */
  readonly ready: undefined;
  /** It cannot start: one line for the operator. */
  readonly failed: string;
  /** A connection that it was given is closed. */
  readonly closed: undefined;
  /** Calls have ended, and it keeps no room for others. */
  readonly slotsReturned: { readonly key: string; readonly count: number };
};

/** Body and answer of each question that the primary process asks a worker. */
export type PrimaryAsks = {
  /** Answered when the change is true in the worker. */
  readonly objectChanged: { body: ObjectChange; answer: undefined };
  /** The slots that it does not use, which it has no more. */
  readonly slotsRecall: { body: string; answer: number };
  readonly usage: { body: WorkerQuestion; answer: unknown };
  readonly correctUsage: { body: Uint8Array; answer: CorrectionAnswer };
  readonly metrics: { body: undefined; answer: string };
};

export type PrimaryNews = {
  readonly start: WorkerStart;
  /** With the socket beside it. */
  readonly connection: undefined;
  /** Whether all workers serve. */
  readonly fleet: { readonly isReady: boolean };
  readonly reload: undefined;
  readonly drain: undefined;
};
