// The part of an account that this instance has leased: plain arithmetic, so that a call is admitted without a hop.
// What is spent and reserved stays within the lease as long as no call costs more than it reserved.
import type { LeaseGrant } from "../../domain/lease-store.ts";

export type Share = {
  /** Rises with every new lease: what was reserved under an older one has already been counted as spent. */
  epoch: number;
  /** "" before the first lease. */
  leaseId: string;
  leased: bigint;
  /** Running total, and what of it the store knows. */
  spentTotal: bigint;
  told: bigint;
  reserved: bigint;
  /** What the store has been told that `spentTotal` may come to. */
  allowed: bigint;
};

export function createShare(): Share {
  return { epoch: 0, leaseId: "", leased: 0n, spentTotal: 0n, told: 0n, reserved: 0n, allowed: -1n };
}

/** Spent since the store last heard of us. */
export function untoldIn(share: Share): bigint {
  return share.spentTotal - share.told;
}

/** What can be reserved without asking the store; less than zero after a call cost more than it had reserved. */
export function availableIn(share: Share): bigint {
  return share.leased - untoldIn(share) - share.reserved;
}

/** The caller has checked that so much is available. */
export function reserveIn(share: Share, amount: bigint): void {
  share.reserved += amount;
}

/** Turns a reservation made in `epoch` into what was really spent. */
export function settleIn(share: Share, epoch: number, reserved: bigint, actual: bigint): void {
  if (epoch === share.epoch) {
    share.reserved -= reserved;
    share.spentTotal += actual;
  } else if (actual > reserved) {
    share.spentTotal += actual - reserved;
  }
}

/** Books an exchange that told the store of `told`. */
export function exchangedIn(share: Share, told: bigint, grant: LeaseGrant): void {
  share.leased = grant.leased;
  share.told = told;
  if (grant.leaseId === share.leaseId) return;
  share.epoch++;
  share.leaseId = grant.leaseId;
  share.spentTotal = told; // What was spent meanwhile was reserved under the lease that has been counted in whole.
  share.reserved = 0n;
  share.allowed = -1n; // Nothing has been said of the new lease.
}

/** The total that is to be allowed before what is reserved may be spent; `undefined`: it is allowed already. */
export function toAllow(share: Share): bigint | undefined {
  const most = share.spentTotal + share.reserved;
  return most <= share.allowed ? undefined : withStep(share, most);
}

/** As `toAllow`, of what was allowed far beyond what is needed now; `undefined`: it was not. */
export function toAllowLess(share: Share): bigint | undefined {
  const enough = withStep(share, share.spentTotal + share.reserved);
  return enough < share.allowed ? enough : undefined;
}

/** In steps of a fraction of the lease, so that few calls write: what a killed instance loses is about a step. */
const stepDivisor = 8n;

function withStep(share: Share, most: bigint): bigint {
  const leasedTotal = share.told + share.leased;
  const stepped = most + share.leased / stepDivisor;
  return stepped < leasedTotal ? stepped : most > leasedTotal ? most : leasedTotal;
}
