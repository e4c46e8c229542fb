// Budgets under arbitrary interleavings of calls, exchanges, crashes and an unreachable store: never more is spent and
// reserved than the limit, and nothing stays reserved in the end.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { LeaseExchange, LeaseGrant, LeaseStore } from "../domain/lease-store.ts";
import {
  type AccountRecord,
  closeLeases,
  emptyAccount,
  exchangeLease,
  formatAccount,
  parseAccount,
  reclaimLease,
  sumOf,
} from "../state/account-record.ts";
import { createQuota, type Hold, type Quota } from "./quota.ts";

type Fate = "applied" | "lost-request" | "lost-answer";

/** Accounts in memory; each holder is one life of one instance, and the test decides what becomes of an exchange. */
class Accounts {
  readonly records = new Map<string, AccountRecord>();
  readonly limits = new Map<string, bigint>();
  fate: Fate = "applied";
  readonly allowed = new Map<string, { readonly leaseId: string; readonly total: bigint }>();
  readonly dead = new Set<string>();
  private exchanges = 0;

  storeOf(holder: string): LeaseStore {
    return {
      exchange: async (exchange) => {
        await breathe(); // Calls go on while the request is under way, and while the answer is.
        const grant = this.apply(holder, exchange);
        await breathe();
        return grant;
      },
      allow: ({ key }, leaseId, total) => {
        if (!this.dead.has(holder)) this.allowed.set(`${holder} ${key}`, { leaseId, total });
      },
      drop: ({ key }) => void this.allowed.delete(`${holder} ${key}`),
      used: (key) => Promise.resolve(this.records.get(key)?.used ?? 0n),
      close: () => Promise.resolve(),
    };
  }

  private apply(holder: string, exchange: LeaseExchange): LeaseGrant {
    if (this.fate === "lost-request") throw new Error("the store cannot be reached");
    const { key, limit } = exchange.account;
    const before = this.records.get(key) ?? emptyAccount;
    const { record, grant } = exchangeLease(before, holder, `exchange-${this.exchanges++}`, exchange);
    this.records.set(key, parseAccount(formatAccount(record)));
    this.limits.set(key, limit);
    if (this.fate === "lost-answer") throw new Error("the store did not answer in time");
    return grant;
  }

  /** As for a holder that was taken for dead: what it has leased counts as spent, and it may live on. */
  forgetLeases(): void {
    for (const [key, record] of this.records)
      this.records.set(
        key,
        closeLeases(record, () => true),
      );
  }

  /** The next life of a killed holder settles its leases by what it was allowed. */
  reclaim(holder: string): void {
    for (const [key, record] of this.records) {
      const known = this.allowed.get(`${holder} ${key}`);
      if (known !== undefined) this.records.set(key, reclaimLease(record, holder, known.leaseId, known.total));
    }
  }

  assertWithinLimits(): void {
    for (const [key, record] of this.records) {
      expect(record.used + sumOf(record.leases)).toBeLessThanOrEqual(this.limits.get(key) ?? 0n);
    }
  }
}

const nowMs = Date.parse("2026-11-24T12:00:00Z");
const limit = 1_000n;
/** Small, so that scripts reach it. */
const scriptLimit = 300n;

type Step =
  | { readonly kind: "reserve"; readonly instance: number; readonly amount: number }
  | { readonly kind: "settle"; readonly call: number; readonly share: number }
  | { readonly kind: "crash"; readonly instance: number; readonly leavesRecord: boolean }
  | { readonly kind: "report"; readonly instance: number; readonly returnRest: boolean }
  | { readonly kind: "fate"; readonly fate: Fate }
  | { readonly kind: "forget" }
  | { readonly kind: "breathe" };

const instances = fc.nat({ max: 2 });
const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 14,
    arbitrary: fc.record({
      kind: fc.constant("reserve" as const),
      instance: instances,
      amount: fc.integer({ min: 1, max: 40 }),
    }),
  },
  {
    weight: 14,
    arbitrary: fc.record({
      kind: fc.constant("settle" as const),
      call: fc.nat(),
      share: fc.constantFrom(0, 0.5, 1, 1),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("crash" as const), instance: instances, leavesRecord: fc.boolean() }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("report" as const), instance: instances, returnRest: fc.boolean() }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("fate" as const),
      fate: fc.constantFrom<Fate>("applied", "applied", "lost-request", "lost-answer"),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: "forget" as const }) },
  { weight: 8, arbitrary: fc.constant({ kind: "breathe" as const }) },
);

type Call = { readonly hold: Hold; readonly amount: bigint; readonly instance: number };

/** The world of one run: three instances, their calls in flight, and what was truly spent. */
class World {
  readonly accounts = new Accounts();
  readonly quotas: Quota[] = [];
  calls: Call[] = [];
  spent = 0n;
  lives = 0;
  readonly holders: string[] = [];
  readonly pending: Promise<void>[] = [];

  constructor() {
    for (let instance = 0; instance < 3; instance++) this.restart(instance);
  }

  restart(instance: number): void {
    const holder = `life-${this.lives++}`;
    this.holders[instance] = holder;
    const store = this.accounts.storeOf(holder);
    this.quotas[instance] = createQuota({ key: "budget", limit: scriptLimit, period: "month", store });
  }

  /** Without a record (the machine went down too) its leases stay counted as spent. */
  kill(instance: number, leavesRecord: boolean): void {
    const holder = this.holders[instance] ?? "";
    // What its calls had reserved may have been spent in full at the provider.
    for (const call of this.calls.filter((one) => one.instance === instance)) this.spent += call.amount;
    this.calls = this.calls.filter((one) => one.instance !== instance);
    this.accounts.dead.add(holder);
    if (leavesRecord) this.accounts.reclaim(holder);
    this.restart(instance);
  }

  run(step: Step): void {
    switch (step.kind) {
      case "reserve":
        this.reserve(step.instance, BigInt(step.amount));
        return;
      case "settle":
        this.settle(step.call, step.share);
        return;
      case "crash":
        this.kill(step.instance, step.leavesRecord);
        return;
      case "report":
        this.pending.push(this.quotas[step.instance]?.report(step.returnRest).catch(() => {}) ?? Promise.resolve());
        return;
      case "fate":
        this.accounts.fate = step.fate;
        return;
      case "forget":
        this.accounts.forgetLeases();
        return;
      case "breathe":
        return;
    }
  }

  private reserve(instance: number, amount: bigint): void {
    const quota = this.quotas[instance];
    if (quota === undefined) return;
    const hold = quota.tryReserve(amount, nowMs);
    if (hold !== undefined) {
      this.calls.push({ hold, amount, instance });
      return;
    }
    const outcome = quota.reserve(amount, nowMs).then((later) => {
      if ("because" in later) return;
      // A life that ended meanwhile admits nobody.
      if (this.quotas[instance] === quota) this.calls.push({ hold: later, amount, instance });
    });
    this.pending.push(outcome);
  }

  private settle(index: number, share: number): void {
    const call = this.calls[index % Math.max(1, this.calls.length)];
    if (call === undefined) return;
    const actual = BigInt(Math.floor(Number(call.amount) * share));
    call.hold.settle(actual);
    this.spent += actual;
    this.calls = this.calls.filter((one) => one !== call);
  }

  assertWithinLimit(): void {
    const reserved = this.calls.reduce((sum, call) => sum + call.amount, 0n);
    expect(this.spent + reserved).toBeLessThanOrEqual(scriptLimit);
    this.accounts.assertWithinLimits();
  }
}

async function breathe(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

describe("a budget shared by three instances", () => {
  it("is never overspent, whatever the order of calls, crashes and lost answers", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(steps, { minLength: 100, maxLength: 250, size: "max" }), async (script) => {
        const world = new World();
        for (const step of script) {
          world.run(step);
          if (step.kind === "breathe") await breathe();
          world.assertWithinLimit();
        }
        world.accounts.fate = "applied";
        await Promise.all(world.pending);
        world.assertWithinLimit();
        for (const call of world.calls) call.hold.settle(0n);
        for (const quota of world.quotas) {
          await quota.report(true);
          expect(quota.state(nowMs).reserved).toBe(0n);
        }
        world.accounts.assertWithinLimits();
      }),
      { numRuns: 150 },
    );
  });

  it("does not get back what a call took while the giving back waited for another exchange", async () => {
    const accounts = new Accounts();
    const open = (holder: string) =>
      createQuota({ key: "budget", limit: 100n, period: "month", store: accounts.storeOf(holder) });
    const quota = open("a");
    const other = open("b");
    const first = await quota.reserve(100n, nowMs);
    if (!("because" in first)) first.settle(10n);
    const reports = [quota.report(false), quota.report(true)];
    await breathe();
    const hold = quota.tryReserve(80n, nowMs);
    expect(hold).toBeDefined();
    await Promise.all(reports);
    expect(await other.reserve(11n, nowMs)).toMatchObject({ because: "exhausted" });
    hold?.settle(80n);
    expect(await other.reserve(10n, nowMs + 1_000)).not.toHaveProperty("because");
  });

  it("can be spent to the last unit when nobody crashes", async () => {
    const accounts = new Accounts();
    const quotas = ["a", "b", "c"].map((holder) =>
      createQuota({ key: "budget", limit, period: "month", store: accounts.storeOf(holder) }),
    );
    let admitted = 0n;
    for (let round = 0; round < 2_000; round++) {
      const quota = quotas[round % 3];
      const outcome = quota?.tryReserve(1n, nowMs) ?? (await quota?.reserve(1n, nowMs));
      if (outcome === undefined || "because" in outcome) continue;
      outcome.settle(1n);
      admitted++;
    }
    expect(admitted).toBe(limit);
  });

  it("serves three hundred at once without passing the limit", async () => {
    const accounts = new Accounts();
    const quotas = ["a", "b", "c"].map((holder) =>
      createQuota({ key: "budget", limit, period: "month", store: accounts.storeOf(holder) }),
    );
    const outcomes = await Promise.all(
      Array.from({ length: 300 }, (_, call) => quotas[call % 3]?.reserve(7n, nowMs) ?? Promise.reject(new Error())),
    );
    const admitted = outcomes.filter((outcome) => !("because" in outcome)).length;
    expect(admitted * 7).toBeLessThanOrEqual(1_000);
    expect(admitted).toBeGreaterThanOrEqual(135);
  });
});

describe("an instance that was killed", () => {
  it("leaves to its next life what it had leased and did not spend, but for a step", async () => {
    const accounts = new Accounts();
    const large = 1_000_000n;
    const open = (holder: string) =>
      createQuota({ key: "budget", limit: large, period: "total", store: accounts.storeOf(holder) });
    const quota = open("killed");
    await quota.reserve(100n, nowMs).then((hold) => ("because" in hold ? undefined : hold.settle(40n)));
    const inFlight = await quota.reserve(100n, nowMs);
    expect(inFlight).not.toHaveProperty("because");
    const leased = sumOf(accounts.records.get("budget.total")?.leases ?? new Map());
    expect(leased).toBeGreaterThan(4_000n);
    accounts.reclaim("killed");
    const record = accounts.records.get("budget.total") ?? emptyAccount;
    expect(record.leases.size).toBe(0);
    expect(record.used).toBeGreaterThanOrEqual(140n); // The call in flight may have cost all that it had reserved.
    expect(record.used).toBeLessThanOrEqual(200n + leased / 8n);
    expect(await open("next").reserve(large - record.used, nowMs)).not.toHaveProperty("because");
  });

  it("is allowed less again once its calls have cost less than they had reserved", async () => {
    const accounts = new Accounts();
    const quota = createQuota({ key: "budget", limit: 1_000_000n, period: "total", store: accounts.storeOf("a") });
    const holds = await Promise.all(Array.from({ length: 20 }, () => quota.reserve(1_000n, nowMs)));
    for (const hold of holds) if (!("because" in hold)) hold.settle(10n);
    await quota.report(false);
    expect(accounts.allowed.get("a budget.total")?.total).toBeLessThan(200n + 20_000n / 4n);
  });
});

describe("periods", () => {
  it("begin afresh, and a late call is booked on the period in which it began", async () => {
    const accounts = new Accounts();
    const quota = createQuota({ key: "budget", limit: 10n, period: "day", store: accounts.storeOf("a") });
    const evening = Date.parse("2026-11-24T23:59:59Z");
    const morning = Date.parse("2026-11-25T00:00:00Z");
    const late = await quota.reserve(10n, evening);
    expect(await quota.reserve(1n, evening)).toMatchObject({ because: "exhausted", resetsAtMs: morning });
    expect(await quota.reserve(10n, morning)).not.toHaveProperty("because");
    if (!("because" in late)) late.settle(4n);
    await quota.report(false);
    for (let turn = 0; turn < 10; turn++) await breathe();
    expect(accounts.records.get("budget.2026-11-24")).toMatchObject({ used: 4n });
    expect(accounts.records.get("budget.2026-11-25")).toMatchObject({ used: 0n });
  });
});

describe("the store", () => {
  it("that cannot be reached grants nothing", async () => {
    const accounts = new Accounts();
    accounts.fate = "lost-request";
    const quota = createQuota({ key: "budget", limit, period: "total", store: accounts.storeOf("a") });
    expect(await quota.reserve(1n, nowMs)).toMatchObject({ because: "unreachable" });
    accounts.fate = "applied";
    expect(await quota.reserve(1n, nowMs)).not.toHaveProperty("because");
  });

  it("is not asked again at once by calls that it has just refused", async () => {
    const accounts = new Accounts();
    let exchanges = 0;
    const inner = accounts.storeOf("a");
    const store: LeaseStore = {
      ...inner,
      exchange(exchange) {
        exchanges++;
        return inner.exchange(exchange);
      },
    };
    const quota = createQuota({ key: "budget", limit: 10n, period: "total", store });
    await quota.reserve(10n, nowMs);
    for (let call = 0; call < 50; call++) {
      expect(await quota.reserve(1n, nowMs)).toMatchObject({ because: "exhausted" });
    }
    expect(exchanges).toBeLessThanOrEqual(2);
  });

  it("gets the lease back when a quota is retired, unless a call came lately or holds something of it", async () => {
    const accounts = new Accounts();
    const quota = createQuota({ key: "budget", limit, period: "total", store: accounts.storeOf("a") });
    const hold = await quota.reserve(5n, nowMs);
    expect(await quota.retire()).toBe(false);
    expect(await quota.retire()).toBe(false);
    if (!("because" in hold)) hold.settle(2n);
    expect(await quota.retire()).toBe(true);
    const record = accounts.records.get("budget.total");
    expect(record?.used).toBe(2n);
    expect(sumOf(record?.leases ?? new Map())).toBe(0n);
    expect(quota.tryReserve(1n, nowMs)).toBeUndefined();
  });
});
