// Slots of calls in flight over several processes, kept by the process that outlives them. A process holds the slots that
// it was given until it gives them back or dies, which its parent sees at once; and whoever holds idle ones gives them up
// when another needs them. So a limit on concurrency is exact over all, and one process alone may use all of it.

/** One life of one process. */
export interface SlotHolder {
  /** The slots of an account that it does not use; it has given them up by answering. Rejects when it ends. */
  recall(key: string): Promise<number>;
}

type Account = {
  limit: number;
  readonly held: Map<SlotHolder, number>;
  /** Takes of one account follow each other: two at once would recall the same slots. */
  lastTake: Promise<unknown>;
  /** Takes that are not done: the account must not be forgotten meanwhile. */
  takes: number;
};

const limits = {
  /** A holder that is too busy to answer is not waited for any longer; what it gives up later is there for the next. */
  recallMs: 250,
  /** Beside what it needs, a holder gets this fraction of what is free, so that it need not ask for every call. */
  shareDivisor: 4,
} as const;

export class SlotDesk {
  readonly #accounts = new Map<string, Account>();
  /** Ended, perhaps with a question that is not answered yet. */
  readonly #gone = new WeakSet<SlotHolder>();

  /** How many slots the holder has got: `need` and perhaps more, or as many as there are. */
  take(holder: SlotHolder, key: string, limit: number, need: number): Promise<number> {
    const account = this.#accounts.get(key) ?? { limit, held: new Map(), lastTake: Promise.resolve(), takes: 0 };
    this.#accounts.set(key, account);
    account.takes += 1;
    const taken = account.lastTake.then(() => this.#takeNow(account, holder, key, limit, need));
    account.lastTake = taken;
    return taken;
  }

  giveBack(holder: SlotHolder, key: string, count: number): void {
    const account = this.#accounts.get(key);
    if (account === undefined) return;
    const left = (account.held.get(holder) ?? 0) - count;
    if (left > 0) account.held.set(holder, left);
    else account.held.delete(holder);
    this.#forgetEmpty(key, account);
  }

  /** The process is gone, and its calls with it. */
  forget(holder: SlotHolder): void {
    this.#gone.add(holder);
    for (const [key, account] of this.#accounts) {
      account.held.delete(holder);
      this.#forgetEmpty(key, account);
    }
  }

  /** Slots that are given away, of all accounts. */
  get held(): number {
    let sum = 0;
    for (const account of this.#accounts.values()) sum += sumOf(account);
    return sum;
  }

  async #takeNow(account: Account, holder: SlotHolder, key: string, limit: number, need: number): Promise<number> {
    account.limit = limit;
    if (freeIn(account) < need) await this.#recall(account, holder, key);
    const free = this.#gone.has(holder) ? 0 : freeIn(account);
    const count = Math.min(free, need + Math.floor(Math.max(0, free - need) / limits.shareDivisor));
    if (count > 0) account.held.set(holder, (account.held.get(holder) ?? 0) + count);
    account.takes -= 1;
    this.#forgetEmpty(key, account);
    return count;
  }

  #forgetEmpty(key: string, account: Account): void {
    if (account.held.size === 0 && account.takes === 0) this.#accounts.delete(key);
  }

  async #recall(account: Account, asking: SlotHolder, key: string): Promise<void> {
    const others = [...account.held.keys()].filter((holder) => holder !== asking);
    const recalled = others.map((holder) =>
      holder.recall(key).then(
        (count) => this.giveBack(holder, key, count),
        () => undefined, // It has ended, and is forgotten as a whole.
      ),
    );
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise((resolve) => {
      timer = setTimeout(resolve, limits.recallMs);
    });
    await Promise.race([Promise.all(recalled), patience]);
    clearTimeout(timer);
  }
}

function freeIn(account: Account): number {
  return Math.max(0, account.limit - sumOf(account));
}

function sumOf({ held }: Account): number {
  let sum = 0;
  for (const count of held.values()) sum += count;
  return sum;
}
