// One budget or shared limit as this instance sees it: the current period, our lease of its account, and the calls that
// wait for a larger one. Admits without a hop while the lease suffices; asks ahead of need; asks once at a time.
import type { Account, LeaseGrant, LeaseStore } from "../domain/lease-store.ts";
import { type PeriodKind, periodAt } from "./budgets/period.ts";
import {
  availableIn,
  createShare,
  exchangedIn,
  reserveIn,
  type Share,
  settleIn,
  toAllow,
  toAllowLess,
  untoldIn,
} from "./budgets/share.ts";

export type QuotaOptions = {
  /** Names the account in the store, without the period. */
  readonly key: string;
  readonly limit: bigint;
  readonly period: PeriodKind;
  readonly store: LeaseStore;
  /** Hears what all instances have spent in the current period, as far as known, after every change. */
  readonly onSpent?: ((spent: bigint, periodId: string) => void) | undefined;
};

/** A reservation in one quota. */
export interface Hold {
  /** Once. Turns what was reserved into what was spent. */
  settle(actual: bigint): void;
}

export type QuotaDenial = {
  readonly because: "exhausted" | "unreachable";
  /** End of the period, Unix milliseconds; Infinity: never refills. */
  readonly resetsAtMs: number;
};

export interface Quota {
  /** The limit is another from now on, and another hears of the spending. What is leased and not used is given back. */
  change(limit: bigint, onSpent: QuotaOptions["onSpent"]): void;
  /** `undefined`: the lease does not suffice; `reserve` may still succeed. */
  tryReserve(amount: bigint, nowMs: number): Hold | undefined;
  reserve(amount: bigint, nowMs: number): Promise<Hold | QuotaDenial>;
  /** What is spent and reserved in the current period, as far as known here. */
  state(nowMs: number): { readonly spent: bigint; readonly reserved: bigint; readonly resetsAtMs: number };
  /** Hears from the store what all have spent. Rejects when it cannot be reached. */
  refresh(nowMs: number): Promise<void>;
  /** Tells the store what was spent, so that others see it; `returnRest`: gives the unused lease back, for a clean stop. */
  report(returnRest: boolean): Promise<void>;
  /**
   * Gives the lease back and refuses from then on, unless a call holds or wants something of it or one came since the
   * last time that this was asked. Resolves with whether it did.
   */
  retire(): Promise<boolean>;
}

/** A lease asks for this fraction of the limit: large enough for few exchanges, small enough to lose little in a crash. */
const sliceDivisor = 250n;

const limits = {
  waitingMax: 10_000,
  /** After a refusal the store is not asked again for so long by calls that need no less. */
  refusedMs: 100,
} as const;

type Waiting = {
  readonly amount: bigint;
  readonly nowMs: number;
  readonly resolve: (outcome: Hold | QuotaDenial) => void;
};

type Term = {
  account: Account;
  readonly periodId: string;
  readonly endMs: number;
  readonly share: Share;
  /** Spent by all at the last exchange, without what we spent since. */
  used: bigint;
  free: bigint;
  refusedUntilMs: number;
  isRetired: boolean;
  /** Exchanges of an account follow each other: two at once would tell the same spending twice. */
  lastExchange: Promise<unknown>;
};

export function createQuota(options: QuotaOptions): Quota {
  let { limit, onSpent } = options;
  let slice = limit / sliceDivisor;
  const waiting: Waiting[] = [];
  let term: Term | undefined;
  let exchanging: Promise<void> | undefined;
  let isClosed = false;
  let isChanging = false;
  let isFresh = true;

  function termAt(nowMs: number): Term {
    if (term !== undefined && nowMs < term.endMs) return term;
    const previous = term;
    term = createTerm({ ...options, limit }, nowMs);
    if (previous !== undefined) retire(previous);
    return term;
  }

  function retire(old: Term): void {
    old.isRetired = true;
    tellLater(old);
  }

  /** A report may fail: the store then counts the lease as spent, which is safe. */
  function tellLater(old: Term): void {
    exchange(old, 0n, 0n, "return-rest").catch(ignoreUnreachable);
  }

  function exchange(of: Term, need: bigint, want: bigint, rest: "keep-rest" | "return-rest"): Promise<LeaseGrant> {
    const next = of.lastExchange.then(() => exchangeNow(of, need, want, rest));
    of.lastExchange = next.catch(ignoreUnreachable);
    return next;
  }

  /** What is returned is counted here and not before: calls go on while an earlier exchange is waited for. */
  async function exchangeNow(
    of: Term,
    need: bigint,
    want: bigint,
    rest: "keep-rest" | "return-rest",
  ): Promise<LeaseGrant> {
    const { leaseId, spentTotal } = of.share;
    const available = availableIn(of.share);
    const returned = rest === "return-rest" && available > 0n ? available : 0n;
    of.share.leased -= returned; // Not to be spent while the answer is under way.
    const grant = await options.store.exchange({ account: of.account, leaseId, spentTotal, returned, need, want });
    exchangedIn(of.share, spentTotal, grant);
    allow(of);
    of.used = grant.used;
    of.free = grant.free;
    onSpent?.(of.used + untoldIn(of.share), of.periodId);
    return grant;
  }

  function allow(of: Term): void {
    const total = toAllow(of.share);
    if (total !== undefined) allowUpTo(of, total);
  }

  function allowUpTo(of: Term, total: bigint): void {
    options.store.allow(of.account, of.share.leaseId, total);
    of.share.allowed = total;
  }

  function holdIn(of: Term, amount: bigint): Hold {
    const { epoch } = of.share;
    reserveIn(of.share, amount);
    allow(of);
    return {
      settle(actual) {
        settleIn(of.share, epoch, amount, actual);
        allow(of); // A call may have cost more than it had reserved.
        onSpent?.(of.used + untoldIn(of.share), of.periodId);
        if (of.isRetired && of.share.reserved === 0n) tellLater(of);
      },
    };
  }

  /** Serves who waits, in order, until nobody does. */
  async function pump(): Promise<void> {
    for (let first = waiting[0]; first !== undefined; first = waiting[0]) {
      const current = termAt(first.nowMs);
      if (isChanging) await current.lastExchange;
      if (availableIn(current.share) >= first.amount) {
        waiting.shift();
        first.resolve(holdIn(current, first.amount));
        continue;
      }
      const denial = await enlarge(current, first);
      if (denial === undefined) continue;
      waiting.shift();
      first.resolve(denial);
    }
  }

  /** Leases enough for the first who waits, and more if others wait too; or says why not. */
  async function enlarge(current: Term, first: Waiting): Promise<QuotaDenial | undefined> {
    const available = availableIn(current.share);
    if (first.nowMs < current.refusedUntilMs && first.amount > available + current.free) {
      return { because: "exhausted", resetsAtMs: current.endMs };
    }
    let wanted = slice;
    for (const { amount } of waiting) wanted += amount;
    try {
      await exchange(current, first.amount - available, wanted, "keep-rest");
    } catch {
      // The reason is the store's to log; to the caller only the outcome matters.
      return { because: "unreachable", resetsAtMs: current.endMs };
    }
    if (availableIn(current.share) >= first.amount) return undefined;
    current.refusedUntilMs = first.nowMs + limits.refusedMs;
    return { because: "exhausted", resetsAtMs: current.endMs };
  }

  function startPump(): void {
    exchanging ??= pump().finally(() => {
      exchanging = undefined;
      if (waiting.length > 0) startPump();
    });
  }

  /** Before the lease is used up, so that the next call need not wait. */
  function askAhead(current: Term, nowMs: number): void {
    const isLow = availableIn(current.share) < slice / 4n;
    if (!isLow || current.free === 0n || nowMs < current.refusedUntilMs || exchanging !== undefined) return;
    exchanging = exchange(current, 0n, slice, "keep-rest")
      .then(() => {}, ignoreUnreachable)
      .finally(() => {
        exchanging = undefined;
        if (waiting.length > 0) startPump();
      });
  }

  async function report(returnRest: boolean): Promise<void> {
    await exchanging;
    if (term === undefined) return;
    const less = toAllowLess(term.share);
    if (less !== undefined && term.share.leaseId !== "") allowUpTo(term, less);
    const hasRest = returnRest && availableIn(term.share) > 0n;
    if (!hasRest && untoldIn(term.share) === 0n) return;
    await exchange(term, 0n, 0n, returnRest ? "return-rest" : "keep-rest");
  }

  function isBusy(): boolean {
    return waiting.length > 0 || exchanging !== undefined || (term?.share.reserved ?? 0n) > 0n;
  }

  return {
    change(changedLimit, changedOnSpent) {
      onSpent = changedOnSpent;
      if (changedLimit === limit) return;
      limit = changedLimit;
      slice = limit / sliceDivisor;
      if (term === undefined) return;
      term.account = { ...term.account, limit };
      term.free = limit; // Not known until the store has answered.
      term.refusedUntilMs = Number.NEGATIVE_INFINITY;
      isChanging = true; // Until the rest is given back nothing is taken from it.
      exchange(term, 0n, 0n, "return-rest")
        .catch(ignoreUnreachable)
        .finally(() => {
          isChanging = false;
        });
    },
    tryReserve(amount, nowMs) {
      const current = termAt(nowMs);
      isFresh = true;
      if (isClosed || isChanging || waiting.length > 0 || availableIn(current.share) < amount) return undefined; // Who waits goes first.
      const hold = holdIn(current, amount);
      askAhead(current, nowMs);
      return hold;
    },
    reserve(amount, nowMs) {
      if (isClosed || waiting.length >= limits.waitingMax) {
        return Promise.resolve({ because: "unreachable", resetsAtMs: termAt(nowMs).endMs });
      }
      isFresh = true;
      return new Promise((resolve) => {
        waiting.push({ amount, nowMs, resolve });
        startPump();
      });
    },
    state(nowMs) {
      const current = termAt(nowMs);
      const spent = current.used + untoldIn(current.share);
      return { spent, reserved: current.share.reserved, resetsAtMs: current.endMs };
    },
    async refresh(nowMs) {
      const current = termAt(nowMs);
      const used = await options.store.used(current.account.key, current.account.isShort);
      // What others have told meanwhile; an exchange that came in between knows better, and more.
      if (used <= current.used) return;
      current.used = used;
      onSpent?.(used + untoldIn(current.share), current.periodId);
    },
    report,
    async retire() {
      const wasFresh = isFresh;
      isFresh = false;
      if (wasFresh || isBusy()) return false;
      isClosed = true;
      const isBack = await report(true).then(() => true, ignoreUnreachable);
      if (isBack === true && term !== undefined) options.store.drop(term.account);
      return true;
    },
  };
}

/** See `Account.isShort`. */
export function isShortPeriod(period: PeriodKind): boolean {
  return shortPeriods.has(period);
}

const shortPeriods: ReadonlySet<PeriodKind> = new Set(["minute", "hour", "day"]);

function createTerm(options: QuotaOptions, nowMs: number): Term {
  const period = periodAt(options.period, nowMs);
  return {
    account: {
      key: `${options.key}.${period.id}`,
      limit: options.limit,
      endsAtMs: period.endMs,
      isShort: isShortPeriod(options.period),
    },
    periodId: period.id,
    endMs: period.endMs,
    share: createShare(),
    used: 0n,
    free: options.limit,
    refusedUntilMs: Number.NEGATIVE_INFINITY,
    isRetired: false,
    lastExchange: Promise.resolve(),
  };
}

function ignoreUnreachable(): void {
  // Nothing was granted and nothing is lost: what was spent is told with the next exchange, and the lease covers it.
}
