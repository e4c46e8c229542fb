// The part of an account that this instance has leased: plain arithmetic, so that a call is admitted without a hop.
// `spent + reserved ≤ leased` holds as long as no call costs more than it reserved.

export type Share = {
  /** Rises when the store had forgotten our lease: what was reserved under the old one is already counted as spent. */
  epoch: number;
  leased: bigint;
  /** Since the last exchange. */
  spent: bigint;
  reserved: bigint;
};

export function createShare(): Share {
  return { epoch: 0, leased: 0n, spent: 0n, reserved: 0n };
}

/** What can be reserved without asking the store; less than zero after a call cost more than it had reserved. */
export function availableIn(share: Share): bigint {
  return share.leased - share.spent - share.reserved;
}

/** The caller has checked that so much is available. */
export function reserveIn(share: Share, amount: bigint): void {
  share.reserved += amount;
}

/** Turns a reservation made in `epoch` into what was really spent. */
export function settleIn(share: Share, epoch: number, reserved: bigint, actual: bigint): void {
  if (epoch === share.epoch) {
    share.reserved -= reserved;
    share.spent += actual;
  } else if (actual > reserved) {
    share.spent += actual - reserved;
  }
}

/** Books an exchange that told the store of `told` and brought a lease of `leased`. */
export function exchangedIn(share: Share, told: bigint, leased: bigint, isContinued: boolean): void {
  if (isContinued) {
    share.spent -= told;
    share.leased = leased;
    return;
  }
  share.epoch++;
  share.leased = leased;
  share.spent = 0n;
  share.reserved = 0n;
}
