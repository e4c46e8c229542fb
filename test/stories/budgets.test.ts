// Budgets and rate limits of keys, over a real process: charged, raised, exhausted, alerted, and whose they are.
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { status as grpcStatus } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { adminBudgets, adminKeys, InferenceService, Role } from "../../src/contract.ts";
import { type Simulator, startSimulator } from "../../src/simulator/start-simulator.ts";
import { adminSecret, keysFor, otherAdminSecret, platformSecret } from "../admin-keys.ts";
import { auditRecordLike } from "../audit-records.ts";
import { failureOf } from "../failure-of.ts";
import { type GatewayProcess, startGateway, stopGateways } from "../gateway-process.ts";
import { TestClient } from "../grpc-client.ts";

const { createBudget, getBudget, listBudgets, updateBudget, deleteBudget } = adminBudgets.BudgetService.method;
const { createKey, updateKey } = adminKeys.KeyService.method;
const complete = InferenceService.method.complete;
const { BudgetAction, BudgetPeriod } = adminBudgets;
const { RateLimitUnit } = adminKeys;

const asAdmin = { secret: adminSecret };
const asOther = { secret: otherAdminSecret };
const asPlatform = { secret: platformSecret };

let simulator: Simulator;
let gateway: GatewayProcess;
let client: TestClient;
let hook: Server;
const posts: { readonly signature: string; readonly body: string }[] = [];
let onPost: () => void = () => {};

beforeAll(async () => {
  simulator = await startSimulator();
  hook = createServer((request, response) => {
    void text(request).then((body) => {
      posts.push({ signature: String(request.headers["llmgateway-signature"]), body });
      response.end();
      onPost();
    });
  });
  await once(hook.listen(0, "127.0.0.1"), "listening");
  gateway = await startGateway({ yaml: yaml(), keys: keysFor(), env: { HOOK_SECRET: "hook-secret" } });
  client = new TestClient(gateway.port);
});

afterAll(async () => {
  client?.close();
  await stopGateways();
  await simulator?.close();
  hook?.close();
});

function yaml(): string {
  return `
providers:
  - { id: sim, kind: openai, base_url: "${simulator.url}", credentials: { api_key: { env: TEST_PROVIDER_KEY } } }
models:
  - { id: small, targets: [{ provider: sim, model: sim-small }] }
  - { id: large, targets: [{ provider: sim, model: sim-small }] }
budgets:
  - { id: of-search, scope: project/search, period: month, hard_usd: 1000 }
  - { id: of-other, scope: project/other, period: month, hard_usd: 1000 }
alerts: { webhook: "http://127.0.0.1:${(hook.address() as AddressInfo).port}/alerts", secret: { env: HOOK_SECRET } }
usage: { journal: { durability: os } }
`;
}

function ask(model = "small", endUserId = "") {
  const content = { case: "text" as const, value: { text: "Hi." } };
  return { model, endUserId, messages: [{ role: Role.USER, parts: [{ content }] }], sampling: { maxOutputTokens: 50 } };
}

type BudgetInit = NonNullable<
  Parameters<typeof client.unary<typeof createBudget.input, typeof createBudget.output>>[1]["budget"]
>;

async function budgetOf(budget: BudgetInit, options = asAdmin) {
  const made = await client.unary(createBudget, { budget }, options);
  return made.budget ?? expect.fail("no budget");
}

async function keyWith(key: Record<string, unknown>, options = asAdmin) {
  const made = await client.unary(createKey, { key }, options);
  return { secret: made.secret, keyId: made.key?.keyId ?? expect.fail("no key") };
}

const exhausted = { code: grpcStatus.RESOURCE_EXHAUSTED, reason: "BUDGET_EXHAUSTED" };
const limited = { code: grpcStatus.RESOURCE_EXHAUSTED, reason: "RATE_LIMITED" };
const nothing = { code: grpcStatus.NOT_FOUND, reason: "RESOURCE_NOT_FOUND" };

describe("a budget", () => {
  it("refuses what it does not cover, and pays when it was raised, without a restart", async () => {
    const { budgetId } = await budgetOf({ limitNanoUsd: 1n, period: BudgetPeriod.MONTH });
    const { secret } = await keyWith({ budgetIds: [budgetId] });
    expect(await failureOf(client.unary(complete, ask(), { secret }))).toEqual(exhausted);
    await client.unary(updateBudget, { budget: { budgetId, limitNanoUsd: 1_000_000_000_000n } }, asAdmin);
    const paid = await client.unary(complete, ask(), { secret });
    const { budget } = await client.unary(getBudget, { budgetId }, asAdmin);
    expect(budget?.spentNanoUsd).toBe(paid.cost?.totalNanoUsd);
    expect(budget?.reservedNanoUsd).toBe(0n);
    expect(budget?.periodStartTime).toBeDefined();
    expect(budget?.resetTime).toBeDefined();
    await client.unary(updateBudget, { budget: { budgetId }, updateMask: { paths: ["limit_nano_usd"] } }, asAdmin);
    expect(await failureOf(client.unary(complete, ask(), { secret }))).toEqual(exhausted);
  });

  it("that only notifies lets calls pass, and tells the webhook in a signed post", async () => {
    const { budgetId } = await budgetOf({ limitNanoUsd: 1n, action: BudgetAction.NOTIFY });
    const { secret } = await keyWith({ budgetIds: [budgetId] });
    await client.unary(complete, ask(), { secret });
    await new Promise<void>((resolve) => {
      onPost = () => posts.some(({ body }) => body.includes(budgetId)) && resolve();
      onPost();
    });
    const post = posts.find(({ body }) => body.includes(budgetId)) ?? expect.fail("no post");
    expect(JSON.parse(post.body)).toMatchObject({ type: "budget.alert", budget_id: budgetId, threshold: 1 });
    const [time = "", mac] = post.signature.split(",");
    const seconds = time.slice("t=".length);
    const expected = createHmac("sha256", "hook-secret").update(`${seconds}.${post.body}`).digest("hex");
    expect(mac).toBe(`v1=${expected}`);
  });

  it("is made once however often its creation is repeated", async () => {
    const request = { budget: { limitNanoUsd: 5n }, requestId: "budget-once" };
    const first = await client.unary(createBudget, request, asAdmin);
    const second = await client.unary(createBudget, request, asAdmin);
    expect(second.budget?.budgetId).toBe(first.budget?.budgetId);
    const other = client.unary(createBudget, { ...request, budget: { limitNanoUsd: 6n } }, asAdmin);
    expect(await failureOf(other)).toMatchObject({ reason: "REQUEST_ID_REUSED" });
  });

  it("is changed by one of two who read the same version", async () => {
    const { budgetId, etag } = await budgetOf({ limitNanoUsd: 5n });
    await client.unary(updateBudget, { budget: { budgetId, etag, displayName: "one" } }, asAdmin);
    const late = client.unary(updateBudget, { budget: { budgetId, etag, displayName: "two" } }, asAdmin);
    expect(await failureOf(late)).toEqual({ code: grpcStatus.ABORTED, reason: "CONFLICT" });
  });

  it("cannot be deleted while keys are charged to it", async () => {
    const { budgetId } = await budgetOf({ limitNanoUsd: 5n });
    const { keyId } = await keyWith({ budgetIds: [budgetId] });
    const early = client.unary(deleteBudget, { budgetId }, asAdmin);
    expect(await failureOf(early)).toMatchObject({ reason: "INVALID_REQUEST" });
    await client.unary(updateKey, { key: { keyId }, updateMask: { paths: ["budget_ids"] } }, asAdmin);
    await client.unary(deleteBudget, { budgetId }, asAdmin);
    expect(await failureOf(client.unary(getBudget, { budgetId }, asAdmin))).toEqual(nothing);
  });
});

describe("whose a budget is", () => {
  it("decides who sees it, and nobody else learns that it exists", async () => {
    const { budgetId } = await budgetOf({ limitNanoUsd: 5n });
    const attempts = [
      client.unary(getBudget, { budgetId }, asOther),
      client.unary(updateBudget, { budget: { budgetId, limitNanoUsd: 9n } }, asOther),
      client.unary(deleteBudget, { budgetId }, asOther),
      client.unary(getBudget, { budgetId: "of-search" }, asOther),
      client.unary(updateBudget, { budget: { budgetId: "of-search", limitNanoUsd: 9n } }, asOther),
      client.unary(createKey, { key: { budgetIds: [budgetId] } }, asOther),
    ];
    expect(await Promise.all(attempts.map(failureOf))).toEqual(attempts.map(() => nothing));
    const ids = (await client.unary(listBudgets, {}, asOther)).budgets.map((budget) => budget.budgetId);
    expect(ids).toEqual(["of-other"]);
  });

  it("keeps a project from taking a budget of the platform off its keys", async () => {
    const { budgetId } = await budgetOf({ limitNanoUsd: 1n }, asPlatform);
    const { keyId, secret } = await keyWith({ projectId: "search", budgetIds: [budgetId] }, asPlatform);
    const off = client.unary(updateKey, { key: { keyId }, updateMask: { paths: ["budget_ids"] } }, asAdmin);
    expect(await failureOf(off)).toEqual(nothing);
    expect(await failureOf(client.unary(complete, ask(), { secret }))).toEqual(exhausted);
  });

  it("shows those of the configuration to whom they bind, and lets nobody change them", async () => {
    const { budget } = await client.unary(getBudget, { budgetId: "of-search" }, asAdmin);
    expect(budget?.limitNanoUsd).toBe(1_000_000_000_000n);
    expect(budget?.spentNanoUsd).toBeGreaterThan(0n);
    const change = client.unary(updateBudget, { budget: { budgetId: "of-search", limitNanoUsd: 1n } }, asPlatform);
    expect(await failureOf(change)).toEqual({ code: grpcStatus.ABORTED, reason: "CONFLICT" });
  });
});

describe("a refusal for money or rate", () => {
  it("is on record, with who was refused", async () => {
    const { budgetId } = await budgetOf({ limitNanoUsd: 1n });
    const poor = await keyWith({ budgetIds: [budgetId] });
    const busy = await keyWith({ rateLimits: [{ unit: RateLimitUnit.REQUESTS, limit: 1n, windowSeconds: 86400 }] });
    await failureOf(client.unary(complete, ask(), { secret: poor.secret }));
    await client.unary(complete, ask(), { secret: busy.secret });
    await failureOf(client.unary(complete, ask(), { secret: busy.secret }));
    const callerOf = (key: string) => ({ project: "search", key, service: "" });
    await auditRecordLike(gateway, { kind: "budget.denied", resource: "model/small", caller: callerOf(poor.keyId) });
    await auditRecordLike(gateway, { kind: "limit.denied", reason: "RATE_LIMITED", caller: callerOf(busy.keyId) });
  });
});

describe("rate limits of a key", () => {
  it("bind from the moment they are set", async () => {
    const { secret, keyId } = await keyWith({});
    await client.unary(complete, ask(), { secret });
    const rateLimits = [{ unit: RateLimitUnit.REQUESTS, limit: 1n, windowSeconds: 3600 }];
    await client.unary(updateKey, { key: { keyId, rateLimits } }, asAdmin);
    await client.unary(complete, ask(), { secret });
    expect(await failureOf(client.unary(complete, ask(), { secret }))).toEqual(limited);
    await client.unary(updateKey, { key: { keyId }, updateMask: { paths: ["rate_limits"] } }, asAdmin);
    await client.unary(complete, ask(), { secret });
  });

  it("count one model or each end user apart when they say so", async () => {
    const { secret } = await keyWith({
      rateLimits: [
        { unit: RateLimitUnit.REQUESTS, limit: 1n, windowSeconds: 3600, model: "large" },
        { unit: RateLimitUnit.REQUESTS, limit: 2n, windowSeconds: 86400, perEndUser: true },
      ],
    });
    await client.unary(complete, ask("large", "one"), { secret });
    expect(await failureOf(client.unary(complete, ask("large", "two"), { secret }))).toEqual(limited);
    await client.unary(complete, ask("small", "one"), { secret });
    expect(await failureOf(client.unary(complete, ask("small", "one"), { secret }))).toEqual(limited);
    await client.unary(complete, ask("small", "two"), { secret });
  });

  it("are refused when they cannot be kept", async () => {
    const odd = [{ unit: RateLimitUnit.REQUESTS, limit: 1n, windowSeconds: 7 }];
    const twice = [1n, 2n].map((limit) => ({ unit: RateLimitUnit.TOKENS, limit, windowSeconds: 60 }));
    for (const rateLimits of [odd, twice]) {
      const call = client.unary(createKey, { key: { rateLimits } }, asAdmin);
      expect(await failureOf(call)).toMatchObject({ reason: "INVALID_REQUEST" });
    }
  });
});
