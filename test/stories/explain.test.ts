// What would happen, told before anything happens.
import type { ServiceError } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, it } from "vitest";
import { InferenceService, Role, UsageService } from "../../src/contract.ts";
import { startGateway, stopGateways } from "../gateway-process.ts";
import { TestClient } from "../grpc-client.ts";
import { detailsOf } from "../status-details.ts";

let client: TestClient;

beforeAll(async () => {
  const gateway = await startGateway({
    yaml: `
providers:
  - { id: openai, kind: openai, credentials: { api_key: { env: TEST_PROVIDER_KEY } } }
  - { id: claude, kind: anthropic, credentials: { api_key: { env: TEST_PROVIDER_KEY } } }
models:
  - id: chat
    targets:
      - { provider: openai, model: gpt-4.1-mini, region: us }
      - { provider: claude, model: claude-haiku-4-5, region: eu }
  - { id: cheap, targets: [{ provider: openai, model: gpt-4.1-nano }] }
rules: [{ id: to-cheap, when: "'task' in labels && labels['task'] == 'summarise'", model: cheap }]
budgets: [{ scope: project/search, period: day, hard_usd: 5 }]
limits: [{ scope: project/search, requests_per_day: 1000, concurrency: 7 }, { scope: end_user/*, tokens_per_hour: 500 }]
usage: { journal: { durability: os } }
`,
  });
  client = new TestClient(gateway.port);
});

afterAll(async () => {
  client?.close();
  await stopGateways();
});

function ask(more: object) {
  const messages = [
    { role: Role.USER, parts: [{ content: { case: "text" as const, value: { text: "Hello there" } } }] },
  ];
  return { request: { model: "chat", messages, ...more } };
}

it("shows the order, the expected cost, who is left out and why, and what binds the caller", async () => {
  const explained = await client.unary(InferenceService.method.explain, ask({ routing: { allowedRegions: ["eu"] } }));
  expect(explained.targets.map(({ provider }) => provider)).toEqual(["anthropic"]);
  expect(explained.targets[0]?.expectedCostNanoUsd).toBeGreaterThan(0n);
  expect(explained.excludedTargets.map(({ targetId }) => targetId)).toEqual(["openai/gpt-4.1-mini"]);
  expect(explained.quotas.find(({ subject }) => subject === "project/search")?.limit).toBe(5_000_000_000n);
});

it("shows the limits that bind the caller, and the end user that it names", async () => {
  const { quotas } = await client.unary(InferenceService.method.explain, ask({ endUserId: "ada" }));
  const shown = quotas.map(({ subject, name, limit, spent, reserved }) => ({ subject, name, limit, spent, reserved }));
  const unused = { spent: 0n, reserved: 0n };
  expect(shown).toContainEqual({ subject: "project/search", name: "requests_per_day", limit: 1000n, ...unused });
  expect(shown).toContainEqual({ subject: "project/search", name: "concurrency", limit: 7n, ...unused });
  expect(shown).toContainEqual({ subject: "end_user/ada", name: "tokens_per_hour", limit: 500n, ...unused });
});

it("names the rule that chose the model", async () => {
  const explained = await client.unary(InferenceService.method.explain, ask({ labels: { task: "summarise" } }));
  expect(explained.ruleId).toBe("to-cheap");
  expect(explained.modelId).toBe("cheap");
});

it("is refused as the call would be, and leaves no event", async () => {
  const refused = client.unary(InferenceService.method.explain, { request: { ...ask({}).request, model: "nothing" } });
  const failure = (await refused.catch((error: unknown) => error)) as ServiceError;
  expect(detailsOf(failure).info?.reason).toBe("MODEL_NOT_FOUND");
  const { events } = await client.unary(UsageService.method.listUsageEvents, {});
  expect(events).toEqual([]);
});
