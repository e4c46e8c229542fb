// Limits and budgets of keys that are made and changed while the gateway runs.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { BudgetConfig } from "../config/config.ts";
import { ErrorReason } from "../contract.ts";
import type { LeaseStore } from "../domain/lease-store.ts";
import type { Caller } from "../domain/principal.ts";
import type { AdmissionRequest } from "../pipeline/ports.ts";
import { openEmbeddedLeaseStore } from "../state/embedded-lease-store.ts";
import { type AdmissionControl, createAdmission, type KeyLimit } from "./admission.ts";
import type { BudgetAlert } from "./budgets/budget-alerts.ts";

const nowMs = Date.parse("2026-11-24T12:00:00Z");

let dataDir: string;
let store: LeaseStore;
let limits: Record<string, readonly KeyLimit[]>;
let budgets: Record<string, readonly BudgetConfig[]>;
let alerts: BudgetAlert[];
let controls: AdmissionControl[];

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), "bindings-"));
  store = openEmbeddedLeaseStore({ dataDir }, nowMs);
  limits = {};
  budgets = {};
  alerts = [];
  controls = [];
});

afterEach(async () => {
  await Promise.all(controls.map((control) => control.close()));
  await store.close();
  rmSync(dataDir, { recursive: true });
});

function admission(shared = false) {
  const bindings = {
    limitsOf: (id: string) => limits[id] ?? [],
    budgetsOf: (id: string) => budgets[id] ?? [],
    hasFallbacks: false,
  };
  const onAlert = (alert: BudgetAlert) => alerts.push(alert);
  const control = createAdmission({ limits: [], budgets: [], store, shared, bindings, onAlert });
  controls.push(control);
  return control;
}

function callerOf(keyId: string): Caller {
  const tenancy = { organisationId: "", teamId: "", projectId: "search", service: "" };
  return { ...tenancy, keyId, roles: ["inference"], models: ["*"] };
}

function requestOf(keyId: string, change: Partial<AdmissionRequest> = {}): AdmissionRequest {
  return {
    caller: callerOf(keyId),
    endUserId: "",
    model: "m",
    inputTokens: 1,
    maxOutputTokens: 1,
    worstCostNanoUsd: () => 10n,
    deadlineMs: undefined,
    priority: 1,
    ...change,
  };
}

function requestsPerMinute(limit: number, rest: Partial<KeyLimit> = {}): KeyLimit {
  const rule = { meter: "requests", limit, name: "requests_per_minute", windowMs: 60_000, period: "minute" } as const;
  return { rule, model: "", perEndUser: false, ...rest };
}

function budgetOf(hardNanoUsd: bigint, alertAt: readonly number[] = []): BudgetConfig {
  return { id: "b", scope: "stored/b-1", period: "month", hardNanoUsd, alertAt };
}

const limited = expect.objectContaining({ reason: ErrorReason.RATE_LIMITED });
const exhausted = expect.objectContaining({ reason: ErrorReason.BUDGET_EXHAUSTED });
const cost = (costNanoUsd: bigint) => ({ inputTokens: 1, outputTokens: 1, costNanoUsd });

describe.each([
  ["on one instance", false],
  ["with shared state", true],
])("a limit of a key %s", (_, shared) => {
  it("binds that key alone", async () => {
    limits["a"] = [requestsPerMinute(1)];
    const control = admission(shared);
    await control.admit(requestOf("a"), nowMs);
    await control.admit(requestOf("b"), nowMs);
    await expect(async () => control.admit(requestOf("a"), nowMs)).rejects.toEqual(limited);
    await control.admit(requestOf("b"), nowMs);
  });

  it("counts one model, or each end user, apart", async () => {
    limits["a"] = [requestsPerMinute(1, { model: "m" })];
    limits["b"] = [requestsPerMinute(1, { perEndUser: true })];
    const control = admission(shared);
    await control.admit(requestOf("a"), nowMs);
    await control.admit(requestOf("a", { model: "other" }), nowMs);
    await expect(async () => control.admit(requestOf("a"), nowMs)).rejects.toEqual(limited);
    await control.admit(requestOf("b", { endUserId: "one" }), nowMs);
    await control.admit(requestOf("b", { endUserId: "two" }), nowMs);
    await expect(async () => control.admit(requestOf("b", { endUserId: "one" }), nowMs)).rejects.toEqual(limited);
  });

  it("is another with the next call after it was changed", async () => {
    limits["a"] = [requestsPerMinute(1)];
    const control = admission(shared);
    await control.admit(requestOf("a"), nowMs);
    await expect(async () => control.admit(requestOf("a"), nowMs)).rejects.toEqual(limited);
    limits["a"] = [requestsPerMinute(5)];
    await control.admit(requestOf("a"), nowMs);
    limits["a"] = [];
    for (let index = 0; index < 10; index++) await control.admit(requestOf("a"), nowMs);
  });
});

describe("a budget of keys", () => {
  it("is charged by all its keys together, and says what is spent and reserved", async () => {
    const budget = budgetOf(30n);
    budgets["a"] = [budget];
    budgets["b"] = [budget];
    const control = admission();
    const first = await control.admit(requestOf("a"), nowMs);
    first.settle(cost(7n), nowMs);
    await control.admit(requestOf("b"), nowMs);
    await control.admit(requestOf("b"), nowMs);
    await expect(async () => control.admit(requestOf("a"), nowMs)).rejects.toEqual(exhausted);
    expect(await control.figures(budget, budget.scope, nowMs)).toMatchObject({
      spent: 7n,
      reserved: 20n,
      resetsAtMs: Date.parse("2026-12-01T00:00:00Z"),
    });
  });

  it("is among what binds the caller", async () => {
    budgets["a"] = [budgetOf(30n)];
    const control = admission();
    (await control.admit(requestOf("a"), nowMs)).settle(cost(7n), nowMs);
    expect(control.state(callerOf("a"), { model: "m", endUserId: "" }, nowMs)).toMatchObject([
      { name: "b", spent: 7n, limit: 30n },
    ]);
    expect(control.state(callerOf("b"), { model: "m", endUserId: "" }, nowMs)).toEqual([]);
  });

  it("takes a raised and a lowered limit with the next call", async () => {
    budgets["a"] = [budgetOf(10n)];
    const control = admission();
    (await control.admit(requestOf("a"), nowMs)).settle(cost(10n), nowMs);
    await expect(async () => control.admit(requestOf("a"), nowMs)).rejects.toEqual(exhausted);
    budgets["a"] = [budgetOf(1_000n)];
    (await control.admit(requestOf("a"), nowMs)).settle(cost(10n), nowMs);
    budgets["a"] = [budgetOf(25n)];
    await expect(async () => control.admit(requestOf("a"), nowMs)).rejects.toEqual(exhausted);
  });

  it("keeps what was spent over a restart", async () => {
    const budget = budgetOf(100n);
    budgets["a"] = [budget];
    const control = admission();
    (await control.admit(requestOf("a"), nowMs)).settle(cost(10n), nowMs);
    await control.close();
    expect((await admission().figures(budget, budget.scope, nowMs)).spent).toBe(10n);
  });

  it("alerts at the thresholds that it has now", async () => {
    budgets["a"] = [budgetOf(100n, [0.9])];
    const control = admission();
    (await control.admit(requestOf("a"), nowMs)).settle(cost(10n), nowMs);
    expect(alerts).toEqual([]);
    budgets["a"] = [budgetOf(100n, [0.15])];
    (await control.admit(requestOf("a"), nowMs)).settle(cost(10n), nowMs);
    expect(alerts).toMatchObject([{ budgetId: "b", threshold: 0.15, spentNanoUsd: 20n }]);
  });
});
