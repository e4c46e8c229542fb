// Accounts in NATS JetStream KV, for several instances. Each change is a compare-and-set on the revision that it was
// computed from, so that a stale read, which followers may give, can refuse but never grant. An instance asks for one
// lease now and then, not for every call, so the stream sees tens of writes a second.
import { randomUUID } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import type { KV } from "@nats-io/kv";
import type { NatsConnection } from "@nats-io/transport-node";
import type { LeaseExchange, LeaseGrant, LeaseStore } from "../domain/lease-store.ts";
import {
  type AccountRecord,
  emptyAccount,
  exchangeLease,
  formatAccount,
  parseAccount,
  reclaimLease,
  sumOf,
} from "./account-record.ts";
import { compareAndSet, openAccountsBucket } from "./accounts-bucket.ts";
import { type EarlierLife, openAllowanceLog, readMachineBootId } from "./allowance-log.ts";

export type ClusteredLeaseStoreOptions = {
  /** Called with the first exchange, and again with later ones until it resolves once. The store closes the connection. */
  readonly connect: () => Promise<NatsConnection>;
  /**
   * Copies of a bucket that is made here; default 3 in a cluster of servers, else 1. A bucket that exists stays as it is:
   * for budgets that survive a power failure the operator makes them on streams that sync always.
   */
  readonly replicas?: number | undefined;
  /** Names this life of this instance. Default: a random id. */
  readonly holder?: string | undefined;
  /** Folder in which the next life finds what this one may have spent; absent: its leases count as spent if it is killed. */
  readonly dataDir?: string | undefined;
  /** Default: the machine's own. */
  readonly machineBootId?: string | undefined;
  /** How long an exchange may take, with all its tries. Default 2 seconds. */
  readonly exchangeMsMax?: number | undefined;
};

const limits = { accountsHeldMax: 10_000, backoffMsMax: 50, reclaimAgainMs: 1_000 } as const;

type Seen = { readonly record: AccountRecord /** 0: the key is not there. */; readonly revision: number };

/** Makes the two buckets with the first exchange where they are missing; until NATS is there, exchanges reject. */
export function createClusteredLeaseStore(options: ClusteredLeaseStoreOptions): LeaseStore {
  const buckets = createBuckets(options);
  const holder = options.holder ?? randomUUID();
  const exchangeMsMax = options.exchangeMsMax ?? 2_000;
  const held = new Map<string, Seen>();
  const { dataDir } = options;
  const machineBootId = options.machineBootId ?? readMachineBootId();
  const allowances =
    dataDir === undefined ? undefined : openAllowanceLog({ dataDir, holder, nowMs: () => Date.now(), machineBootId });
  const reclaiming = reclaimEarlier(allowances?.earlier ?? [], buckets);

  function remember(key: string, seen: Seen): void {
    if (held.size >= limits.accountsHeldMax) held.clear();
    held.set(key, seen);
  }

  /** One try, from what is held of the account or from a fresh read; `undefined`: it must be tried again. */
  async function tryExchange(attempt: Attempt): Promise<LeaseGrant | undefined> {
    const { key, isShort } = attempt.request.account;
    const known = held.get(key);
    held.delete(key);
    try {
      const bucket = await buckets.open(isShort);
      return await attemptExchange(bucket, known ?? (await read(bucket, key)), attempt, (seen) => remember(key, seen));
    } catch (error) {
      attempt.failure = error;
      return undefined;
    }
  }

  return {
    async exchange(request) {
      const untilMs = performance.now() + exchangeMsMax;
      const attempt: Attempt = { holder, nonce: randomUUID(), request };
      for (let tries = 1; ; tries++) {
        const grant = await tryExchange(attempt);
        if (grant !== undefined) return grant;
        if (performance.now() >= untilMs) {
          throw new Error("the shared state cannot be reached or is too busy", { cause: attempt.failure });
        }
        await wait(Math.random() * Math.min(limits.backoffMsMax, 2 ** tries)); // Spreads those who collide.
      }
    },
    allow(account, leaseId, total) {
      allowances?.allow({ account, leaseId, total });
    },
    drop(account) {
      allowances?.drop(account.key);
    },
    async used(key, isShort) {
      const kinds = isShort === undefined ? [true, false] : [isShort];
      const seen = await Promise.all(kinds.map(async (kind) => read(await buckets.open(kind), key)));
      return seen.reduce((sum, { record }) => sum + record.used, 0n);
    },
    async close() {
      await reclaiming.stop();
      allowances?.close();
      await buckets.close();
    },
  };
}

/** Settles what lives of before had leased, for as long as it takes until NATS is there. */
function reclaimEarlier(earlier: readonly EarlierLife[], buckets: Buckets): { stop(): Promise<void> } {
  const stopped = new AbortController();
  const settleLife = async ({ holder, allowances, forget }: EarlierLife): Promise<void> => {
    for (const { account, leaseId, total } of allowances) {
      if (account.endsAtMs < Date.now()) continue;
      const bucket = await buckets.open(account.isShort);
      for (let isDone = false; !isDone; ) {
        const { record, revision } = await read(bucket, account.key);
        const settled = reclaimLease(record, holder, leaseId, total);
        isDone =
          settled === record ||
          (await compareAndSet(bucket, account.key, formatAccount(settled), revision)) !== undefined;
      }
    }
    forget();
  };
  const run = async (): Promise<void> => {
    for (const life of earlier) {
      while (!stopped.signal.aborted) {
        try {
          await settleLife(life);
          break;
        } catch {
          // NATS is away: nothing is lost, since the leases count as spent until they are settled.
          await wait(limits.reclaimAgainMs, undefined, { ref: false, signal: stopped.signal }).catch(() => {});
        }
      }
    }
  };
  const running = run();
  return {
    stop: () => {
      stopped.abort();
      return running;
    },
  };
}

type Buckets = { open(isShort: boolean): Promise<KV>; close(): Promise<void> };

function createBuckets(options: ClusteredLeaseStoreOptions): Buckets {
  const connection = keepOnceResolved(options.connect);
  const lasting = keepOnceResolved(() => openBucket(false));
  const short = keepOnceResolved(() => openBucket(true));

  async function openBucket(isShort: boolean): Promise<KV> {
    return openAccountsBucket(await connection.get(), isShort, options.replicas);
  }

  return {
    open: (isShort) => (isShort ? short : lasting).get(),
    close: async () => (await connection.started?.catch(() => undefined))?.close(),
  };
}

type Kept<Value> = { get(): Promise<Value>; readonly started: Promise<Value> | undefined };

/** Runs `create` with the first `get`, and anew after a failure. */
function keepOnceResolved<Value>(create: () => Promise<Value>): Kept<Value> {
  let started: Promise<Value> | undefined;
  return {
    get() {
      started ??= create().catch((error: unknown) => {
        started = undefined;
        throw error;
      });
      return started;
    },
    get started() {
      return started;
    },
  };
}

type Attempt = {
  readonly holder: string;
  /** The same for all tries of one exchange: found in the record, it tells that a try without an answer was applied. */
  readonly nonce: string;
  readonly request: LeaseExchange;
  failure?: unknown;
};

/** `undefined`: somebody else was faster. Rejects when the outcome is not known. */
async function attemptExchange(
  bucket: KV,
  seen: Seen,
  attempt: Attempt,
  remember: (seen: Seen) => void,
): Promise<LeaseGrant | undefined> {
  const { holder, nonce, request } = attempt;
  const own = seen.record.leases.get(holder);
  if (own?.nonce === nonce) {
    remember(seen);
    const free = request.account.limit - seen.record.used - sumOf(seen.record.leases);
    return { leaseId: own.id, leased: own.amount, used: seen.record.used, free: free > 0n ? free : 0n };
  }
  const { record, grant } = exchangeLease(seen.record, holder, nonce, request);
  const revision = await compareAndSet(bucket, request.account.key, formatAccount(record), seen.revision);
  if (revision === undefined) return undefined;
  remember({ record, revision });
  return grant;
}

async function read(bucket: KV, key: string): Promise<Seen> {
  const entry = await bucket.get(key);
  if (entry === null || entry.operation !== "PUT") return { record: emptyAccount, revision: 0 };
  return { record: parseAccount(entry.string()), revision: entry.revision };
}
