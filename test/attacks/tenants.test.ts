// One tenant reaches for what belongs to another, by id, over a real process. Nothing is got, nothing is learned, and each
// try is on record.
import { status as grpcStatus } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { adminBudgets, adminKeys, InferenceService, ModelService, Role, UsageService } from "../../src/contract.ts";
import { type Simulator, startSimulator } from "../../src/simulator/start-simulator.ts";
import { adminSecret, keysFor, otherAdminSecret } from "../admin-keys.ts";
import { auditRecordLike } from "../audit-records.ts";
import { failureOf } from "../failure-of.ts";
import { type GatewayProcess, startGateway, stopGateways } from "../gateway-process.ts";
import { collect, TestClient } from "../grpc-client.ts";

const { complete, streamComplete } = InferenceService.method;
const { queryUsage, listUsageEvents, watchUsageEvents } = UsageService.method;
const keys = adminKeys.KeyService.method;
const budgets = adminBudgets.BudgetService.method;
/** The attacker administers project "other"; the victim is project "search". */
const attacker = { secret: otherAdminSecret };
const victim = { secret: adminSecret };
const attackerCaller = { project: "other", key: "other-admin", service: "" };

let simulator: Simulator;
let gateway: GatewayProcess;
let client: TestClient;

beforeAll(async () => {
  simulator = await startSimulator();
  gateway = await startGateway({
    keys: keysFor(),
    yaml: `
providers:
  - { id: sim, kind: openai, base_url: "${simulator.url}", credentials: { api_key: { env: TEST_PROVIDER_KEY } } }
models:
  - { id: small, targets: [{ provider: sim, model: sim-small }] }
  - { id: forbidden, targets: [{ provider: sim, model: sim-small }] }
budgets: [{ id: of-search, scope: project/search, period: month, hard_usd: 1000 }]
usage: { journal: { durability: os } }
`,
  });
  client = new TestClient(gateway.port);
});

afterAll(async () => {
  client?.close();
  await stopGateways();
  await simulator?.close();
});

function ask(question: string, rest: object = {}) {
  const content = { case: "text" as const, value: { text: question } };
  return { model: "small", messages: [{ role: Role.USER, parts: [{ content }] }], ...rest };
}

const nothing = { code: grpcStatus.NOT_FOUND, reason: "RESOURCE_NOT_FOUND" };

describe("usage of another project", () => {
  it("is in no list, no sum and no watch, however it is asked for", async () => {
    const { responseId } = await client.unary(complete, ask("What is our secret plan?"), victim);
    const filters = [{}, { projectIds: ["search"] }, { projectIds: ["search", "other"] }, { keyIds: ["search-admin"] }];
    for (const filter of filters) {
      const { events } = await client.unary(listUsageEvents, { filter }, attacker);
      expect(events.filter((event) => event.principal?.projectId !== "other")).toEqual([]);
      const { rows } = await client.unary(queryUsage, { filter }, attacker);
      expect(rows.reduce((sum, { requestCount }) => sum + requestCount, 0n)).toBe(0n);
    }
    const own = await client.unary(listUsageEvents, {}, victim);
    expect(own.events.map((event) => event.responseId)).toContain(responseId);
  });

  it("does not come with a position of its events", async () => {
    const own = await client.unary(listUsageEvents, { pageSize: 1 }, victim);
    const reused = await failureOf(client.unary(listUsageEvents, { pageToken: own.nextPageToken }, attacker));
    if (reused.code === 0) {
      const { events } = await client.unary(listUsageEvents, { pageToken: own.nextPageToken }, attacker);
      expect(events).toEqual([]);
    }
    const stream = client.stream(
      watchUsageEvents,
      { filter: { projectIds: ["search"] } },
      { ...attacker, deadlineMs: 500 },
    );
    const watched = collect(stream);
    await client.unary(complete, ask("Another secret."), victim);
    expect((await watched).messages.flatMap((message) => (message as { event?: unknown }).event ?? [])).toEqual([]);
  });
});

describe("a model that the key may not use", () => {
  it("is not there, whether it is or not, for a call, for who asks before and for the catalogue", async () => {
    const { secret, key } = await client.unary(keys.createKey, { key: { allowedModels: ["small"] } }, attacker);
    const refused = { code: grpcStatus.PERMISSION_DENIED, reason: "MODEL_NOT_ALLOWED" };
    for (const model of ["forbidden", "no-such-model"]) {
      const tries = [
        client.unary(complete, ask("Hi.", { model }), { secret }),
        client.unary(InferenceService.method.explain, { request: ask("Hi.", { model }) }, { secret }),
        client.unary(ModelService.method.getModel, { modelId: model }, { secret }),
      ];
      expect(await Promise.all(tries.map(failureOf))).toEqual(tries.map(() => refused));
      const caller = { project: "other", key: key?.keyId ?? "", service: "" };
      const record = await auditRecordLike(gateway, { kind: "model.denied", resource: `model/${model}`, caller });
      expect(record.reason).toBe("MODEL_NOT_ALLOWED");
    }
    const { models } = await client.unary(ModelService.method.listModels, {}, { secret });
    expect(models.map(({ modelId }) => modelId)).toEqual(["small"]);
  });
});

describe("keys and budgets of another project", () => {
  it("are not there, by any method, whether they exist or not", async () => {
    const made = await client.unary(keys.createKey, { key: {} }, victim);
    const keyId = made.key?.keyId ?? "";
    const budget = await client.unary(budgets.createBudget, { budget: { limitNanoUsd: 5n } }, victim);
    const budgetId = budget.budget?.budgetId ?? "";
    for (const id of [keyId, "search-admin", "no-such-key"]) {
      const tries = [
        client.unary(keys.getKey, { keyId: id }, attacker),
        client.unary(keys.updateKey, { key: { keyId: id, disabled: true } }, attacker),
        client.unary(keys.rotateKey, { keyId: id }, attacker),
        client.unary(keys.deleteKey, { keyId: id }, attacker),
      ];
      expect(await Promise.all(tries.map(failureOf))).toEqual(tries.map(() => nothing));
    }
    for (const id of [budgetId, "of-search", "no-such-budget"]) {
      const tries = [
        client.unary(budgets.getBudget, { budgetId: id }, attacker),
        client.unary(budgets.updateBudget, { budget: { budgetId: id, limitNanoUsd: 0n } }, attacker),
        client.unary(budgets.deleteBudget, { budgetId: id }, attacker),
      ];
      expect(await Promise.all(tries.map(failureOf))).toEqual(tries.map(() => nothing));
    }
    const caller = attackerCaller;
    await auditRecordLike(gateway, { kind: "resource.denied", resource: `key/${keyId}`, caller });
    await auditRecordLike(gateway, { kind: "resource.denied", resource: `budget/${budgetId}`, caller });
    await client.unary(complete, ask("Still there?"), { secret: made.secret });
  });

  it("are in no page, whatever the token says", async () => {
    const own = await client.unary(keys.listKeys, { pageSize: 1 }, victim);
    const page = await client.unary(keys.listKeys, { pageToken: own.nextPageToken }, attacker);
    expect(page.keys.every(({ projectId }) => projectId === "other")).toBe(true);
    const budgetPage = await client.unary(budgets.listBudgets, {}, attacker);
    expect(budgetPage.budgets).toEqual([]);
  });
});

describe("an answer of another project", () => {
  it("is not resumed by its id", async () => {
    const request = { start: { case: "request" as const, value: ask("A long secret.") }, options: { resumable: true } };
    const { messages } = await collect(client.stream(streamComplete, request, victim));
    const responseId = messages.map((message) => startedIdOf(message)).find((id) => id !== "") ?? "";
    expect(responseId).not.toBe("");
    const cursor = { start: { case: "resume" as const, value: { responseId, afterSequence: 0 } } };
    const stolen = await collect(client.stream(streamComplete, cursor, attacker));
    expect(stolen.messages).toEqual([]);
    expect(stolen.error?.code).toBe(grpcStatus.OUT_OF_RANGE);
    const invented = { start: { case: "resume" as const, value: { responseId: "no-such-id", afterSequence: 0 } } };
    const missing = await collect(client.stream(streamComplete, invented, attacker));
    expect(missing.error?.code).toBe(stolen.error?.code);
    expect(missing.error?.details).toBe(stolen.error?.details);
    await auditRecordLike(gateway, { kind: "resource.denied", reason: "CURSOR_EXPIRED", caller: attackerCaller });
    const own = await collect(client.stream(streamComplete, cursor, victim));
    expect(own.error).toBeUndefined();
  });

  it("is not got with its request id: that is another call", async () => {
    const first = await client.unary(complete, ask("The secret.", { requestId: "payroll-1" }), victim);
    const theirs = await client.unary(complete, ask("Something else.", { requestId: "payroll-1" }), attacker);
    expect(theirs.responseId).not.toBe(first.responseId);
    const again = await client.unary(complete, ask("The secret.", { requestId: "payroll-1" }), victim);
    expect(again.responseId).toBe(first.responseId);
    const { events } = await client.unary(listUsageEvents, {}, attacker);
    expect(events.map(({ responseId }) => responseId)).toContain(theirs.responseId);
  });

  it("nor a key by the request id of its creation", async () => {
    const request = { key: { displayName: "same" }, requestId: "make-key-1" };
    const first = await client.unary(keys.createKey, request, victim);
    const theirs = await client.unary(keys.createKey, request, attacker);
    expect(theirs.secret).not.toBe(first.secret);
    expect(theirs.key?.keyId).not.toBe(first.key?.keyId);
    expect(theirs.key?.projectId).toBe("other");
  });
});

function startedIdOf(message: unknown): string {
  const { event } = message as { event?: { case?: string; value?: { responseId?: string } } };
  return event?.case === "started" ? (event.value?.responseId ?? "") : "";
}
