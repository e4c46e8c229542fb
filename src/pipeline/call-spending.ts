// The money of one call under a budget: what is reserved for it, what its attempts have cost, and what those under way may
// come to. Admission reserved for one attempt at its worst; a second one, or a stream that runs past it, asks for more.
import { AttemptOutcome } from "../contract.ts";
import type { CallFailure } from "../domain/call-failure.ts";
import type { CallAccount, OpenAttempt } from "./call-account.ts";
import type { Clock, Reservation } from "./ports.ts";

/** What one attempt may spend. */
export interface AttemptSpending {
  /** Nano-USD that are reserved for it. */
  readonly covered: bigint;
  /** The attempt may come to so much. Asks for what is not reserved; resolves with why it may not. One at a time. */
  cover(mostNanoUsd: bigint): Promise<CallFailure | undefined>;
}

/** What one attempt may come to. It counts from when it is granted, which is before the attempt begins. */
export type Share = { open: OpenAttempt | undefined; most: bigint; isGone: boolean };

export class CallSpending {
  readonly #extend: NonNullable<Reservation["extend"]>;
  readonly #account: CallAccount;
  readonly #clock: Clock;
  #reserved: bigint;
  #shares: Share[] = [];
  /** Two attempts at once ask one after the other. */
  #asking: Promise<unknown> = Promise.resolve();

  constructor(
    reservation: Reservation,
    extend: NonNullable<Reservation["extend"]>,
    account: CallAccount,
    clock: Clock,
  ) {
    this.#extend = extend.bind(reservation);
    this.#account = account;
    this.#clock = clock;
    this.#reserved = reservation.reservedNanoUsd;
  }

  /** Whether another attempt is under way. */
  get isShared(): boolean {
    return this.#underWay(undefined) > 0n;
  }

  /** Of an attempt that may come to so much; the first one has all that was reserved. `mayBegin` and `begin` follow. */
  share(mostNanoUsd: () => bigint): Share {
    return { open: undefined, most: this.#shares.length === 0 ? this.#reserved : mostNanoUsd(), isGone: false };
  }

  /** Before the attempt begins; `undefined`: it is covered, as the first one always is. `withdraw` follows if it does not. */
  mayBegin(share: Share): Promise<CallFailure | undefined> | undefined {
    if (this.#shares.length > 0 && this.#committed(undefined) + share.most > this.#reserved) {
      return this.#ask(share, share.most);
    }
    this.#shares.push(share);
    return undefined;
  }

  /** The attempt will not begin, also if it is granted later. */
  withdraw(share: Share): void {
    share.isGone = true;
    this.#shares = this.#shares.filter((other) => other !== share);
  }

  begin(share: Share, open: OpenAttempt): AttemptSpending {
    share.open = open;
    return new ShareSpending(
      () => this.#reserved - this.#committed(share),
      (most) => this.#ask(share, most),
    );
  }

  #ask(share: Share, most: bigint): Promise<CallFailure | undefined> {
    const asked = this.#asking.then(async () => {
      const total = this.#committed(share) + most;
      if (total > this.#reserved) {
        const failure = await this.#extend(total, this.#clock.nowMs());
        if (failure !== undefined) return failure;
        this.#reserved = total;
      }
      // Now, so that whoever asks next counts it.
      if (most > share.most) share.most = most;
      if (!share.isGone && !this.#shares.includes(share)) this.#shares.push(share);
      return undefined;
    });
    this.#asking = asked.catch(() => {}); // Heard by who asked.
    return asked;
  }

  /** Spent by attempts that are over, and the most of those under way but one. */
  #committed(except: Share | undefined): bigint {
    return (this.#account.cost?.totalNanoUsd ?? 0n) + this.#underWay(except);
  }

  #underWay(except: Share | undefined): bigint {
    let sum = 0n;
    for (const share of this.#shares) {
      const isOver = share.open !== undefined && share.open.record.outcome !== AttemptOutcome.UNSPECIFIED;
      if (share !== except && !isOver) sum += share.most;
    }
    return sum;
  }
}

/** A class, for docs/decisions/0011. */
class ShareSpending implements AttemptSpending {
  readonly #covered: () => bigint;
  readonly cover: AttemptSpending["cover"];

  constructor(covered: () => bigint, cover: AttemptSpending["cover"]) {
    this.#covered = covered;
    this.cover = cover;
  }

  get covered(): bigint {
    return this.#covered();
  }
}
