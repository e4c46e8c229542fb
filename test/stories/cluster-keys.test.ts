// Two gateway processes and a real nats-server: what is changed at one is known at the other.
import { connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { adminBudgets, adminKeys, InferenceService, Role } from "../../src/contract.ts";
import { type Simulator, startSimulator } from "../../src/simulator/start-simulator.ts";
import { adminSecret, keysFor } from "../admin-keys.ts";
import { failureOf } from "../failure-of.ts";
import { startGateway, stopGateways } from "../gateway-process.ts";
import { TestClient } from "../grpc-client.ts";
import { type NatsServer, startNats } from "../nats-server.ts";

const { createKey, deleteKey, listKeys } = adminKeys.KeyService.method;
const complete = InferenceService.method.complete;
const asAdmin = { secret: adminSecret };

let simulator: Simulator;
let nats: NatsServer;
let one: TestClient;
let two: TestClient;

beforeAll(async () => {
  simulator = await startSimulator();
  nats = await startNats();
  const gateways = await Promise.all([0, 1].map(() => startGateway({ yaml: yaml(), keys: keysFor() })));
  [one, two] = gateways.map(({ port }) => new TestClient(port)) as [TestClient, TestClient];
});

function yaml(): string {
  return `
providers:
  - { id: sim, kind: openai, base_url: "${simulator.url}", credentials: { api_key: { env: TEST_PROVIDER_KEY } } }
models: [{ id: small, targets: [{ provider: sim, model: sim-small }] }]
usage: { journal: { durability: os }, nats: { servers: ["${nats.url}"] } }
cluster: { nats: { servers: ["${nats.url}"] } }
`;
}

afterAll(async () => {
  one?.close();
  two?.close();
  await stopGateways();
  await nats?.stop();
  await simulator?.close();
});

function ask() {
  const content = { case: "text" as const, value: { text: "Hi." } };
  return { model: "small", messages: [{ role: Role.USER, parts: [{ content }] }] };
}

/** Waits until the other gateway does as it should; fails after a while. */
async function until(isSo: () => Promise<boolean>, patienceMs = 15_000): Promise<void> {
  const endMs = performance.now() + patienceMs;
  while (!(await isSo())) {
    if (performance.now() > endMs) throw new Error("the other gateway has not heard of it");
  }
}

describe("a key in a cluster", () => {
  it("opens every gateway, and none a moment after it was revoked at one", async () => {
    const { secret, key } = await one.unary(createKey, { key: {} }, asAdmin);
    const works = async () => (await failureOf(two.unary(complete, ask(), { secret }))).code === 0;
    await until(works);
    await one.unary(deleteKey, { keyId: key?.keyId ?? "" }, asAdmin);
    await until(async () => !(await works()), 3_000);
    const listed = await two.unary(listKeys, {}, asAdmin);
    expect(listed.keys.map(({ keyId }) => keyId)).not.toContain(key?.keyId);
  });

  it("is made once when its creation is repeated at another gateway", async () => {
    const request = { key: { displayName: "once" }, requestId: "once-in-the-cluster" };
    const first = await one.unary(createKey, request, asAdmin);
    const again = await failureOf(two.unary(createKey, request, asAdmin));
    expect(again.reason).toBe("CONFLICT");
    await one.unary(complete, ask(), { secret: first.secret });
  });

  it("shares its budget, whichever gateway it comes to", async () => {
    const { createBudget, getBudget } = adminBudgets.BudgetService.method;
    const made = await one.unary(createBudget, { budget: { limitNanoUsd: 1_000_000_000_000n } }, asAdmin);
    const budgetId = made.budget?.budgetId ?? "";
    const { secret } = await one.unary(createKey, { key: { budgetIds: [budgetId] } }, asAdmin);
    await until(async () => (await failureOf(two.unary(complete, ask(), { secret }))).code === 0);
    const paid = await one.unary(complete, ask(), { secret });
    const cost = paid.cost?.totalNanoUsd ?? 0n;
    await until(async () => {
      const { budget } = await two.unary(getBudget, { budgetId }, asAdmin);
      return (budget?.spentNanoUsd ?? 0n) >= 2n * cost;
    });
  });
});

describe("a budget that passes a threshold", () => {
  it("is told on NATS", async () => {
    const connection = await connect({ servers: nats.url });
    const events = connection.subscribe("llmgateway.budget.v1.alert", { max: 1 });
    await connection.flush();
    const budget = { limitNanoUsd: 1n, action: adminBudgets.BudgetAction.NOTIFY };
    const made = await one.unary(adminBudgets.BudgetService.method.createBudget, { budget }, asAdmin);
    const budgetId = made.budget?.budgetId ?? "";
    const { secret } = await one.unary(createKey, { key: { budgetIds: [budgetId] } }, asAdmin);
    await one.unary(complete, ask(), { secret });
    for await (const event of events) {
      expect(event.json()).toMatchObject({ type: "budget.alert", budget_id: budgetId, threshold: 1 });
    }
    await connection.close();
  });
});

describe("an administrative act in a cluster", () => {
  it("is told on NATS, without the secret", async () => {
    const connection = await connect({ servers: nats.url });
    const events = connection.subscribe("llmgateway.audit.v1.key.created", { max: 1 });
    await connection.flush();
    const { secret, key } = await two.unary(createKey, { key: {} }, asAdmin);
    for await (const event of events) {
      expect(event.json()).toMatchObject({ kind: "key.created", resource: `key/${key?.keyId}` });
      expect(event.string()).not.toContain(secret);
    }
    await connection.close();
  });
});

describe("keys while NATS is away", () => {
  it("work as they were last known, cannot be changed, and are right again when it is back", async () => {
    const { secret, key } = await one.unary(createKey, { key: {} }, asAdmin);
    const keyId = key?.keyId ?? "";
    const worksAtTwo = async () => (await failureOf(two.unary(complete, ask(), { secret }))).code === 0;
    await until(worksAtTwo);
    await nats.kill();
    expect(await worksAtTwo()).toBe(true);
    const refused = await failureOf(one.unary(createKey, { key: {} }, asAdmin));
    expect(refused.reason).toBe("GATEWAY_OVERLOADED");
    const late = await startGateway({ yaml: yaml(), keys: keysFor() });
    const three = new TestClient(late.port);
    await three.unary(complete, ask(), asAdmin);
    await nats.restart();
    await until(async () => (await failureOf(three.unary(complete, ask(), { secret }))).code === 0);
    await until(async () => (await failureOf(one.unary(deleteKey, { keyId }, asAdmin))).code === 0);
    await until(async () => !(await worksAtTwo()));
    await until(async () => (await failureOf(three.unary(complete, ask(), { secret }))).code !== 0);
    three.close();
  });
});
