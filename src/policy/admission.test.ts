import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { BudgetConfig, LimitConfig } from "../config/config.ts";
import { ErrorReason } from "../contract.ts";
import { CallFailure } from "../domain/call-failure.ts";
import type { LeaseStore } from "../domain/lease-store.ts";
import type { Caller } from "../domain/principal.ts";
import type { AdmissionRequest, Reservation } from "../pipeline/ports.ts";
import { openEmbeddedLeaseStore } from "../state/embedded-lease-store.ts";
import { type AdmissionOptions, createAdmission } from "./admission.ts";
import type { BudgetAlert } from "./budgets/budget-alerts.ts";

const nowMs = Date.parse("2026-11-24T12:00:00Z");

const caller: Caller = {
  organisationId: "acme",
  teamId: "platform",
  projectId: "search",
  keyId: "search-prod",
  service: "",
  roles: ["inference"],
  models: ["*"],
};

let dataDir: string;
let store: LeaseStore;

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), "admission-"));
  store = openEmbeddedLeaseStore({ dataDir }, nowMs);
});

afterEach(async () => {
  await store.close();
  rmSync(dataDir, { recursive: true });
});

function admissionWith(options: Partial<AdmissionOptions>) {
  return createAdmission({ limits: [], budgets: [], store, shared: false, ...options });
}

function requestWith(change: Partial<AdmissionRequest> = {}): AdmissionRequest {
  return {
    caller,
    endUserId: "",
    model: "m",
    inputTokens: 100,
    maxOutputTokens: 50,
    worstCostNanoUsd: () => 10n,
    deadlineMs: undefined,
    priority: 1,
    ...change,
  };
}

function limitOf(scope: string, rest: Partial<LimitConfig>): LimitConfig {
  return { scope, onStateFailure: "closed", ...rest };
}

function budgetOf(scope: string, rest: Partial<BudgetConfig>): BudgetConfig {
  return { id: `budget-of-${scope.split("/")[1]}`, scope, period: "month", alertAt: [], ...rest };
}

async function refusalOf(attempt: () => Reservation | Promise<Reservation>): Promise<CallFailure> {
  try {
    await attempt();
  } catch (error) {
    if (error instanceof CallFailure) return error;
    throw error;
  }
  throw new Error("the call was admitted");
}

const nothing = { inputTokens: 0, outputTokens: 0, costNanoUsd: 0n };

it("a call that no budget binds is not priced, whatever limits it has", async () => {
  const limits = [limitOf("project/search", { requestsPerMinute: 10 })];
  const unpriced = {
    ...requestWith(),
    worstCostNanoUsd: (): bigint => {
      throw new Error("it was priced");
    },
  };
  for (const shared of [false, true]) {
    const reservation = await admissionWith({ limits, shared }).admit(unpriced, nowMs);
    expect(reservation.reservedNanoUsd).toBe(0n);
  }
});

describe("limits", () => {
  it("let a burst pass and then the rate, and say when to come again", async () => {
    const admission = admissionWith({ limits: [limitOf("project/search", { requestsPerMinute: 2 })] });
    await admission.admit(requestWith(), nowMs);
    await admission.admit(requestWith(), nowMs);
    const refusal = await refusalOf(() => admission.admit(requestWith(), nowMs));
    expect(refusal).toMatchObject({
      reason: ErrorReason.RATE_LIMITED,
      facts: {
        retryAfterMs: 30_000,
        quota: [{ subject: "project/search", description: "requests_per_minute is 2" }],
      },
    });
    await refusalOf(() => admission.admit(requestWith(), nowMs + 29_999));
    expect(() => admission.admit(requestWith(), nowMs + 30_000)).not.toThrow();
  });

  it("count the worst case of tokens first and the truth afterwards", async () => {
    const admission = admissionWith({ limits: [limitOf("project/search", { tokensPerMinute: 200 })] });
    const reservation = await admission.admit(requestWith(), nowMs);
    await refusalOf(() => admission.admit(requestWith(), nowMs));
    reservation.settle({ ...nothing, inputTokens: 20, outputTokens: 10 }, nowMs);
    expect(() => admission.admit(requestWith(), nowMs)).not.toThrow();
  });

  it("are each their own: input and output tokens apart", async () => {
    const admission = admissionWith({
      limits: [limitOf("project/search", { inputTokensPerMinute: 1_000, outputTokensPerMinute: 50 })],
    });
    await admission.admit(requestWith(), nowMs);
    const refusal = await refusalOf(() => admission.admit(requestWith(), nowMs));
    expect(refusal.facts.quota).toEqual([{ subject: "project/search", description: "output_tokens_per_minute is 50" }]);
  });

  it("let a call larger than the limit pass when nothing else has, and count it in full", async () => {
    const admission = admissionWith({ limits: [limitOf("project/search", { tokensPerMinute: 60 })] });
    const reservation = await admission.admit(requestWith(), nowMs);
    reservation.settle({ ...nothing, inputTokens: 100, outputTokens: 20 }, nowMs);
    const refusal = await refusalOf(() => admission.admit(requestWith({ inputTokens: 1, maxOutputTokens: 0 }), nowMs));
    expect(refusal.facts.retryAfterMs).toBe(61_000);
  });

  it.each([false, true])("that are used up refuse any call before it is read; shared: %s", async (shared) => {
    const limits = [limitOf("project/search", { requestsPerMinute: 2 })];
    const admission = admissionWith({ limits, shared });
    const ads = { ...caller, projectId: "ads" };
    for (let call = 0; call < 2; call++) {
      expect(admission.refusal?.(caller, nowMs)).toBeUndefined();
      (await admission.admit(requestWith(), nowMs)).settle(nothing, nowMs);
    }
    const unread = admission.refusal?.(caller, nowMs);
    const read = await refusalOf(() => admission.admit(requestWith(), nowMs));
    expect([unread?.reason, unread?.message, unread?.facts]).toEqual([read.reason, read.message, read.facts]);
    expect(admission.refusal?.(ads, nowMs)).toBeUndefined();
    expect(admission.refusal?.(caller, nowMs + 60_000)).toBeUndefined();
  });

  it("that may let a call pass when its message has come refuse none before it is read", async () => {
    const quick = limitOf("project/search", { requestsPerMinute: 600 });
    const slots = limitOf("key/search-prod", { concurrency: 1 });
    const admission = admissionWith({ limits: [quick, slots] });
    for (let call = 0; call < 600; call++) (await admission.admit(requestWith(), nowMs)).settle(nothing, nowMs);
    expect((await refusalOf(() => admission.admit(requestWith(), nowMs))).reason).toBe(ErrorReason.RATE_LIMITED);
    expect(admission.refusal?.(caller, nowMs)).toBeUndefined();
    await admission.admit(requestWith(), nowMs + 1_000);
    expect(admission.refusal?.(caller, nowMs + 1_000)).toBeUndefined();
  });

  it("hold concurrency until the call is settled", async () => {
    const admission = admissionWith({ limits: [limitOf("key/search-prod", { concurrency: 1 })] });
    const reservation = await admission.admit(requestWith(), nowMs);
    const refusal = await refusalOf(() => admission.admit(requestWith(), nowMs));
    expect(refusal.reason).toBe(ErrorReason.CONCURRENCY_LIMITED);
    expect(refusal.facts.retryAfterMs).toBeGreaterThan(0);
    reservation.settle(nothing, nowMs);
    expect(() => admission.admit(requestWith(), nowMs)).not.toThrow();
  });

  it("take nothing from one when another refuses, and name the one that lasts longest", async () => {
    const admission = admissionWith({
      limits: [
        limitOf("organisation/acme", { requestsPerMinute: 60 }),
        limitOf("project/search", { requestsPerMinute: 1, requestsPerHour: 1 }),
      ],
    });
    await admission.admit(requestWith(), nowMs);
    for (let call = 0; call < 100; call++) {
      const refusal = await refusalOf(() => admission.admit(requestWith(), nowMs));
      expect(refusal.facts.quota?.[0]?.description).toBe("requests_per_hour is 1");
      expect(refusal.facts.retryAfterMs).toBe(3_600_000);
    }
    const other: Caller = { ...caller, projectId: "ads", keyId: "ads-prod" };
    for (let call = 0; call < 59; call++) await admission.admit(requestWith({ caller: other }), nowMs);
    await refusalOf(() => admission.admit(requestWith({ caller: other }), nowMs));
  });

  it("give each end user of each project its own state", async () => {
    const admission = admissionWith({ limits: [limitOf("end_user/*", { requestsPerMinute: 1 })] });
    const ads: Caller = { ...caller, projectId: "ads" };
    await admission.admit(requestWith({ endUserId: "ada" }), nowMs);
    await refusalOf(() => admission.admit(requestWith({ endUserId: "ada" }), nowMs));
    expect(() => admission.admit(requestWith({ endUserId: "bob" }), nowMs)).not.toThrow();
    expect(() => admission.admit(requestWith({ endUserId: "ada", caller: ads }), nowMs)).not.toThrow();
    expect(() => admission.admit(requestWith(), nowMs)).not.toThrow();
    await admission.report(nowMs + 60_000);
    expect(() => admission.admit(requestWith({ endUserId: "ada" }), nowMs + 60_000)).not.toThrow();
  });

  it("do not bind others", () => {
    const admission = admissionWith({ limits: [limitOf("project/ads", { requestsPerMinute: 1 })] });
    for (let call = 0; call < 10; call++) expect(() => admission.admit(requestWith(), nowMs)).not.toThrow();
  });

  it("for each project and for one of them count apart", async () => {
    const admission = admissionWith({
      limits: [
        limitOf("project/*", { requestsPerMinute: 2 }),
        limitOf("project/search", { requestsPerMinute: 1, requestsPerHour: 1 }),
      ],
    });
    const ads: Caller = { ...caller, projectId: "ads" };
    await admission.admit(requestWith(), nowMs);
    await refusalOf(() => admission.admit(requestWith(), nowMs));
    for (let call = 0; call < 2; call++) await admission.admit(requestWith({ caller: ads }), nowMs);
    await refusalOf(() => admission.admit(requestWith({ caller: ads }), nowMs));
  });

  it("that are set twice are refused at the start, and so are budgets with one id", () => {
    const limit = limitOf("project/search", { requestsPerMinute: 1 });
    expect(() => admissionWith({ limits: [limit, limit] })).toThrow(
      "requests_per_minute of project/search is set twice",
    );
    const budget = budgetOf("project/search", { hardNanoUsd: 1n });
    expect(() => admissionWith({ budgets: [budget, budget] })).toThrow("budget-of-search is set twice");
  });

  it("with a scope that says nothing are refused at the start", () => {
    expect(() => admissionWith({ limits: [limitOf("search", { requestsPerMinute: 1 })] })).toThrow("no scope");
    expect(() => admissionWith({ limits: [limitOf("galaxy/x", { requestsPerMinute: 1 })] })).toThrow("no scope");
  });
});

describe("budgets", () => {
  const hard = budgetOf("team/platform", { hardNanoUsd: 100n });

  it("reserve the worst case and settle to the truth", async () => {
    const admission = admissionWith({ budgets: [hard] });
    const reservation = await admission.admit(requestWith({ worstCostNanoUsd: () => 100n }), nowMs);
    expect(reservation.reservedNanoUsd).toBe(100n);
    const refusal = await refusalOf(() => admission.admit(requestWith(), nowMs));
    expect(refusal).toMatchObject({
      reason: ErrorReason.BUDGET_EXHAUSTED,
      facts: {
        quota: [{ subject: "team/platform" }],
        metadata: { resetTime: "2026-12-01T00:00:00.000Z", budgetId: "budget-of-platform" },
      },
    });
    expect(refusal.facts.retryAfterMs).toBeUndefined();
    reservation.settle({ ...nothing, costNanoUsd: 40n }, nowMs);
    expect(await admission.admit(requestWith({ worstCostNanoUsd: () => 60n }), nowMs)).toBeDefined();
    await refusalOf(() => admission.admit(requestWith({ worstCostNanoUsd: () => 1n }), nowMs));
    expect(admission.state(caller, { model: "m", endUserId: "" }, nowMs)).toMatchObject([
      { spent: 40n, reserved: 60n, limit: 100n },
    ]);
  });

  it("begin afresh with the next period", async () => {
    const admission = admissionWith({ budgets: [hard] });
    await admission.admit(requestWith({ worstCostNanoUsd: () => 100n }), nowMs);
    await refusalOf(() => admission.admit(requestWith(), Date.parse("2026-11-30T23:59:59Z")));
    expect(await admission.admit(requestWith(), Date.parse("2026-12-01T00:00:00Z"))).toBeDefined();
  });

  it("hold at every level at once, and nothing stays reserved for a refused call", async () => {
    const admission = admissionWith({
      limits: [limitOf("project/search", { requestsPerMinute: 5, concurrency: 5 })],
      budgets: [
        budgetOf("organisation/acme", { hardNanoUsd: 1_000n }),
        budgetOf("project/search", { hardNanoUsd: 20n }),
      ],
    });
    for (let call = 0; call < 20; call++) {
      await refusalOf(() => admission.admit(requestWith({ worstCostNanoUsd: () => 21n }), nowMs));
    }
    const states = admission.state(caller, { model: "m", endUserId: "" }, nowMs);
    expect(states.map(({ name, spent, reserved }) => [name, spent, reserved])).toEqual([
      ["budget-of-acme", 0n, 0n],
      ["budget-of-search", 0n, 0n],
      ["requests_per_minute", 0n, 0n],
      ["concurrency", 0n, 0n],
    ]);
    for (let call = 0; call < 2; call++) await admission.admit(requestWith(), nowMs);
  });

  it("admit at once while the lease suffices", async () => {
    const admission = admissionWith({ budgets: [budgetOf("team/platform", { hardNanoUsd: 1_000_000n })] });
    await admission.admit(requestWith(), nowMs);
    expect(admission.admit(requestWith(), nowMs)).not.toBeInstanceOf(Promise);
  });

  it("let calls without a known price pass only while something is left", async () => {
    const admission = admissionWith({ budgets: [hard] });
    expect(await admission.admit(requestWith({ worstCostNanoUsd: () => undefined }), nowMs)).toBeDefined();
    await admission.admit(requestWith({ worstCostNanoUsd: () => 99n }), nowMs);
    await refusalOf(() => admission.admit(requestWith({ worstCostNanoUsd: () => undefined }), nowMs));
  });

  it("stay spent over a restart, clean or not", async () => {
    const admission = admissionWith({ budgets: [hard] });
    const reservation = await admission.admit(requestWith({ worstCostNanoUsd: () => 70n }), nowMs);
    reservation.settle({ ...nothing, costNanoUsd: 70n }, nowMs);
    await admission.close();
    await store.close();
    store = openEmbeddedLeaseStore({ dataDir }, nowMs);
    const second = admissionWith({ budgets: [hard] });
    await refusalOf(() => second.admit(requestWith({ worstCostNanoUsd: () => 31n }), nowMs));
    await second.admit(requestWith({ worstCostNanoUsd: () => 30n }), nowMs);
    await store.close(); // Without giving anything back, as after a crash: the call may have cost all that it reserved.
    store = openEmbeddedLeaseStore({ dataDir }, nowMs);
    await refusalOf(() => admissionWith({ budgets: [hard] }).admit(requestWith({ worstCostNanoUsd: () => 1n }), nowMs));
  });

  it("are not kept by two gateways in one folder", () => {
    expect(() => openEmbeddedLeaseStore({ dataDir }, nowMs)).toThrow("another gateway");
  });

  it("that are soft never refuse, and tell of each threshold once", async () => {
    const alerts: BudgetAlert[] = [];
    const soft = budgetOf("team/platform", { softNanoUsd: 100n, alertAt: [0.5, 1, 0.8] });
    const admission = admissionWith({ budgets: [soft], onAlert: (alert) => alerts.push(alert) });
    for (let call = 0; call < 15; call++) {
      const reservation = await admission.admit(requestWith(), nowMs);
      reservation.settle({ ...nothing, costNanoUsd: 10n }, nowMs);
    }
    expect(alerts.map(({ threshold, spentNanoUsd }) => [threshold, spentNanoUsd])).toEqual([
      [0.5, 50n],
      [0.8, 80n],
      [1, 100n],
    ]);
    expect(alerts[0]).toMatchObject({ subject: "team/platform", periodId: "2026-11", limitNanoUsd: 100n });
  });
});

describe("limits shared by instances", () => {
  const limits = [limitOf("project/search", { requestsPerMinute: 10 })];

  it("hold over all of them", async () => {
    const admissions = [admissionWith({ limits, shared: true }), admissionWith({ limits, shared: true })];
    // Both use one store and one holder here: what counts is that the account bounds the sum.
    let admitted = 0;
    for (let call = 0; call < 10; call++) {
      await admissions[0]?.admit(requestWith(), nowMs);
      admitted++;
    }
    expect(admitted).toBe(10);
    const refusal = await refusalOf(() => admissions[0]?.admit(requestWith(), nowMs) ?? Promise.reject(new Error()));
    expect(refusal).toMatchObject({ reason: ErrorReason.RATE_LIMITED, facts: { retryAfterMs: 60_000 } });
    expect(await admissions[0]?.admit(requestWith(), nowMs + 60_000)).toBeDefined();
  });

  const oneOfTwo = { share: () => undefined, lastShare: (total: number) => total / 2, instances: 2 };
  const unreachable: LeaseStore = {
    exchange: () => Promise.reject(new Error("down")),
    allow: () => {},
    drop: () => {},
    used: () => Promise.reject(new Error("down")),
    close: () => Promise.resolve(),
  };

  it.each([
    ["closed", 0],
    ["local_share", 5],
    ["open", 20],
  ] as const)("without their store fail as declared: %s admits %i of 20", async (onStateFailure, expected) => {
    const declared = [limitOf("project/search", { requestsPerMinute: 10, onStateFailure })];
    const admission = admissionWith({ limits: declared, shared: true, store: unreachable, presence: oneOfTwo });
    let admitted = 0;
    for (let call = 0; call < 20; call++) {
      try {
        await admission.admit(requestWith(), nowMs);
        admitted++;
      } catch (error) {
        expect(error).toBeInstanceOf(CallFailure);
      }
    }
    expect(admitted).toBe(expected);
  });

  it("never let a budget pass without its store", async () => {
    const admission = admissionWith({
      budgets: [budgetOf("team/platform", { hardNanoUsd: 100n })],
      shared: true,
      store: unreachable,
    });
    const refusal = await refusalOf(() => admission.admit(requestWith(), nowMs));
    expect(refusal.reason).toBe(ErrorReason.GATEWAY_OVERLOADED);
  });
});

describe("limits of every meter and window", () => {
  const meters = { requests: 1, tokens: 150, inputTokens: 100, outputTokens: 50 } as const;
  const windows = { Minute: 60_000, Hour: 3_600_000, Day: 86_400_000 } as const;
  const cases = Object.entries(meters).flatMap(([meter, used]) =>
    Object.entries(windows).map(([window, windowMs]) => [`${meter}Per${window}`, used, windowMs] as const),
  );

  it.each(cases)("%s passes what it says, and says when the next fits", async (field, used, windowMs) => {
    const admission = admissionWith({ limits: [limitOf("project/search", { [field]: used * 2 })] });
    for (let call = 0; call < 2; call++) await admission.admit(requestWith(), nowMs);
    const { reason, facts } = await refusalOf(() => admission.admit(requestWith(), nowMs));
    expect(reason).toBe(ErrorReason.RATE_LIMITED);
    const [state] = admission.state(caller, { model: "m", endUserId: "" }, nowMs);
    expect(state).toMatchObject({ limit: BigInt(used * 2), spent: BigInt(used * 2), resetsAtMs: nowMs + windowMs });
    expect(facts.retryAfterMs).toBe(windowMs / 2);
    expect(await admission.admit(requestWith(), nowMs + windowMs / 2)).toBeDefined();
  });
});

describe("a limit on concurrency over several instances", () => {
  const shares = new Map<string, number | undefined>();
  const presence = {
    share: (total: number) => (shares.has("now") ? shares.get("now") : total),
    lastShare: () => 1,
    instances: 3,
  };
  const bound = (onStateFailure: LimitConfig["onStateFailure"]) =>
    admissionWith({
      limits: [limitOf("project/search", { concurrency: 4, onStateFailure })],
      shared: true,
      presence,
    });

  it("is this instance's share, also when that shrinks under calls in flight", async () => {
    const admission = bound("closed");
    shares.set("now", 2);
    const running = [await admission.admit(requestWith(), nowMs), await admission.admit(requestWith(), nowMs)];
    const { reason } = await refusalOf(() => admission.admit(requestWith(), nowMs));
    expect(reason).toBe(ErrorReason.CONCURRENCY_LIMITED);
    expect([...admission.slots()]).toMatchObject([{ inUse: 2, total: 4 }]);
    shares.set("now", 1);
    running[0]?.settle(nothing, nowMs);
    await refusalOf(() => admission.admit(requestWith(), nowMs));
    running[1]?.settle(nothing, nowMs);
    expect(await admission.admit(requestWith(), nowMs)).toBeDefined();
  });

  it.each([
    ["closed", 0],
    ["local_share", 1],
    ["open", 20],
  ] as const)(
    "that is %s lets %i of 20 calls pass when the others are not heard of",
    async (onStateFailure, passed) => {
      const admission = bound(onStateFailure);
      shares.set("now", undefined);
      const reasons = await Promise.all(
        Array.from({ length: 20 }, async () => {
          try {
            await admission.admit(requestWith(), nowMs);
            return "passed";
          } catch (error) {
            return (error as CallFailure).facts.retryAfterMs === undefined ? "refused for good" : "later";
          }
        }),
      );
      expect(reasons.filter((reason) => reason === "passed")).toHaveLength(passed);
      expect(reasons).not.toContain("refused for good");
    },
  );
});
