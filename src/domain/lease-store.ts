// The port between policy and the shared state: accounts of whole units (nano-USD, tokens, requests) of which every
// instance of the gateway leases a part and spends it without asking. Whatever crashes, `used + leases ≤ limit` holds in
// the store, and what an instance spends never passes its lease.

/** One budget or limit within one period. */
export type Account = {
  /** Unique per budget, scope and period; `[A-Za-z0-9_-]` and "." between. */
  readonly key: string;
  readonly limit: bigint;
  /** Unix milliseconds; the store may forget the account some days after. Infinity: never. */
  readonly endsAtMs: number;
  /** Periods of at most a day are forgotten days after their end; others are kept. Follows from the kind of period only. */
  readonly isShort: boolean;
};

/** What the lease holder asks for, in one step. Exchanges of one holder and account follow each other. */
export type LeaseExchange = {
  readonly account: Account;
  /** The lease that the holder knows; "" before its first. */
  readonly leaseId: string;
  /** All that the holder has spent of the account so far. A running total: told twice, it counts once. */
  readonly spentTotal: bigint;
  /** Part of the lease that is given back. */
  readonly returned: bigint;
  /** Less than this on top is of no use now; 0 when only to report. */
  readonly need: bigint;
  /** This much on top would be welcome. */
  readonly want: bigint;
};

export type LeaseGrant = {
  /** Another than the holder's: the store had closed that one and counted all of it as spent. */
  readonly leaseId: string;
  /** The whole lease after the exchange. */
  readonly leased: bigint;
  /** Spent by all instances, as far as they have told. */
  readonly used: bigint;
  /** What nobody has spent or leased. */
  readonly free: bigint;
};

export interface LeaseStore {
  /** Durable when it resolves. Rejects when the store cannot be reached: nothing is granted then. */
  exchange(exchange: LeaseExchange): Promise<LeaseGrant>;
  /**
   * From now on the holder may come to this total of spending under the lease, and to no more without saying so again.
   * Synchronous, and on record when it returns: what a later life of a killed instance takes the rest of the lease back by.
   */
  allow(account: Account, leaseId: string, total: bigint): void;
  /** The lease of the account was given back whole, and nothing is asked of it any more. */
  drop(account: Account): void;
  /** What all have spent of an account; 0 for one that is not known. `isShort`: as in `Account`; absent: both are looked at. */
  used(key: string, isShort?: boolean): Promise<bigint>;
  close(): Promise<void>;
}
