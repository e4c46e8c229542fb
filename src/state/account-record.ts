// One account as it stands in the store, and the one way in which it changes. Pure: the engines only read and write it.
import type { LeaseExchange, LeaseGrant } from "../domain/lease-store.ts";

export type Lease = {
  readonly id: string;
  readonly amount: bigint;
  /** The holder's running total that `used` contains. */
  readonly told: bigint;
  /** Names the last exchange, to find out whether one with an unknown outcome was applied. */
  readonly nonce: string;
};

export type AccountRecord = {
  readonly used: bigint;
  /** By holder: one life of one instance. */
  readonly leases: ReadonlyMap<string, Lease>;
};

export const emptyAccount: AccountRecord = { used: 0n, leases: new Map() };

/** A holder leases at most this fraction of what is free, divided by the holders: slices shrink towards the limit. */
const sliceDivisor = 4n;

/** Leases above this number are closed, oldest first: a record stays small however often instances restart. */
const leasesMax = 128;

export type Exchanged = { readonly record: AccountRecord; readonly grant: LeaseGrant };

/**
 * Books what the holder has spent, and leases more to it: all of `need` or nothing of it, more as far as the slice
 * allows. `used + leases ≤ limit` holds after it if it held before and no holder spent more than its lease. `nonce` names
 * the exchange, and the lease when a new one is opened.
 */
export function exchangeLease(
  before: AccountRecord,
  holder: string,
  nonce: string,
  { account, leaseId, spentTotal, returned, need, want }: LeaseExchange,
): Exchanged {
  const known = before.leases.get(holder);
  // A lease that its holder does not know was opened by an exchange whose answer was lost: nothing of it is spent.
  const own = known?.id === leaseId ? known : undefined;
  const newlyTold = own === undefined ? (leaseId === "" ? spentTotal : 0n) : max(0n, spentTotal - own.told);
  const used = before.used + newlyTold;
  const kept = own === undefined ? 0n : max(0n, own.amount - newlyTold - returned);
  const others = sumOf(before.leases) - (known?.amount ?? 0n);
  const free = max(0n, account.limit - used - others - kept);
  const holders = BigInt(before.leases.size + (known === undefined ? 1 : 0));
  const slice = min(want, free / (sliceDivisor * holders));
  const granted = free >= need ? max(need, slice) : slice;

  const lease: Lease = { id: own?.id ?? nonce, amount: kept + granted, told: spentTotal, nonce };
  const leases = new Map(before.leases);
  leases.delete(holder); // Set anew, so that the oldest stand first.
  leases.set(holder, lease);
  return {
    record: closeOldest({ used, leases }),
    grant: { leaseId: lease.id, leased: lease.amount, used, free: free - granted },
  };
}

/** Counts the leases of dead holders as spent: what they truly spent is unknown. The sum does not change. */
export function closeLeases(before: AccountRecord, isDead: (holder: string) => boolean): AccountRecord {
  let { used } = before;
  const leases = new Map(before.leases);
  for (const [holder, lease] of before.leases) {
    if (!isDead(holder)) continue;
    used += lease.amount;
    leases.delete(holder);
  }
  return { used, leases };
}

/**
 * Settles the lease of a holder that is no more, and is known to have come to at most `total`: the rest is free again.
 * Another lease than `leaseId` is left as it is, counted whole.
 */
export function reclaimLease(before: AccountRecord, holder: string, leaseId: string, total: bigint): AccountRecord {
  const lease = before.leases.get(holder);
  if (lease === undefined || lease.id !== leaseId) return before;
  const leases = new Map(before.leases);
  leases.delete(holder);
  return { used: before.used + min(lease.amount, max(0n, total - lease.told)), leases };
}

function closeOldest(record: AccountRecord): AccountRecord {
  const excess = record.leases.size - leasesMax;
  if (excess <= 0) return record;
  const oldest = new Set([...record.leases.keys()].slice(0, excess));
  return closeLeases(record, (holder) => oldest.has(holder));
}

export function sumOf(leases: AccountRecord["leases"]): bigint {
  let sum = 0n;
  for (const lease of leases.values()) sum += lease.amount;
  return sum;
}

/** As JSON text; amounts are decimal strings, since they pass the exact range of JSON numbers. */
export function formatAccount(record: AccountRecord): string {
  const leases = [...record.leases].map(([holder, lease]) => [
    holder,
    lease.id,
    `${lease.amount}`,
    `${lease.told}`,
    lease.nonce,
  ]);
  return JSON.stringify({ used: `${record.used}`, leases });
}

/** Throws on a text that `formatAccount` did not write: an account that cannot be read must not look empty. */
export function parseAccount(text: string): AccountRecord {
  const json: unknown = JSON.parse(text);
  if (typeof json !== "object" || json === null || !("used" in json) || !("leases" in json)) throw unreadable();
  if (!Array.isArray(json.leases)) throw unreadable();
  const rows: readonly unknown[] = json.leases;
  return { used: parseAmount(json.used), leases: new Map(rows.map(parseLease)) };
}

function parseLease(row: unknown): [string, Lease] {
  if (!Array.isArray(row)) throw unreadable();
  const [holder, id, amount, told, nonce]: readonly unknown[] = row;
  if (typeof holder !== "string" || typeof id !== "string" || typeof nonce !== "string") throw unreadable();
  return [holder, { id, amount: parseAmount(amount), told: parseAmount(told), nonce }];
}

function parseAmount(value: unknown): bigint {
  if (typeof value !== "string" || !/^\d{1,30}$/.test(value)) throw unreadable();
  return BigInt(value);
}

function unreadable(): Error {
  return new Error("an account of the shared state cannot be read");
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
