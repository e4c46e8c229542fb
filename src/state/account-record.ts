// One account as it stands in the store, and the one way in which it changes. Pure: the engines only read and write it.
import type { LeaseExchange, LeaseGrant } from "../domain/lease-store.ts";

export type Lease = {
  readonly amount: bigint;
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
 * allows. `used + leases ≤ limit` holds after it if it held before and no holder spent more than its lease.
 */
export function exchangeLease(
  before: AccountRecord,
  holder: string,
  nonce: string,
  { account, spent, returned, need, want }: LeaseExchange,
): Exchanged {
  const own = before.leases.get(holder);
  const used = own === undefined ? before.used : before.used + spent;
  const kept = own === undefined ? 0n : max(0n, own.amount - spent - returned);
  const others = sumOf(before.leases) - (own?.amount ?? 0n);
  const free = max(0n, account.limit - used - others - kept);
  const holders = BigInt(before.leases.size + (own === undefined ? 1 : 0));
  const slice = min(want, free / (sliceDivisor * holders));
  const granted = free >= need ? max(need, slice) : slice;

  const leases = new Map(before.leases);
  leases.delete(holder); // Set anew, so that the oldest stand first.
  leases.set(holder, { amount: kept + granted, nonce });
  return {
    record: closeOldest({ used, leases }),
    grant: { leased: kept + granted, isContinued: own !== undefined, used, free: free - granted },
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
  const leases = [...record.leases].map(([holder, lease]) => [holder, `${lease.amount}`, lease.nonce]);
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
  const [holder, amount, nonce]: readonly unknown[] = row;
  if (typeof holder !== "string" || typeof nonce !== "string") throw unreadable();
  return [holder, { amount: parseAmount(amount), nonce }];
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
