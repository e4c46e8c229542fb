// Two attempts at once, and one answer out of two halves.
import { status as grpcStatus } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  AttemptOutcome,
  InferenceService,
  Outcome,
  RecoveryMode,
  Role,
  type UsageEvent,
  UsageService,
} from "../../src/contract.ts";
import { type Simulator, startSimulator } from "../../src/simulator/start-simulator.ts";
import { foldResponses } from "../fold-responses.ts";
import { type GatewayProcess, startGateway, stopGateways } from "../gateway-process.ts";
import { collect, TestClient } from "../grpc-client.ts";

let simulator: Simulator;
let gateway: GatewayProcess;
let client: TestClient;

const { complete, streamComplete } = InferenceService.method;

beforeAll(async () => {
  simulator = await startSimulator();
  gateway = await startGateway({
    yaml: `
providers:
  - { id: sim, kind: openai, base_url: "${simulator.url}", credentials: { api_key: { env: TEST_PROVIDER_KEY } } }
  - { id: claude, kind: anthropic, base_url: "${simulator.url}", credentials: { api_key: { env: TEST_PROVIDER_KEY } } }
models:
  - id: hedged
    retry: { max_attempts: 2, hedge_delay: 50ms }
    targets: [{ provider: sim, model: sim-slow-first-token-5000 }, { provider: claude, model: sim-small }]
  - id: continued
    targets: [{ provider: sim, model: sim-tokens-30+cut-after-9 }, { provider: claude, model: claude-haiku-4-5 }]
  - id: not-continued
    targets: [{ provider: sim, model: sim-tokens-30+cut-after-9 }, { provider: sim, model: sim-small }]
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

function ask(model: string) {
  return {
    model,
    messages: [{ role: Role.USER, parts: [{ content: { case: "text" as const, value: { text: "Say something." } } }] }],
  };
}

async function eventOf(responseId: string): Promise<UsageEvent | undefined> {
  const { events } = await client.unary(UsageService.method.listUsageEvents, {});
  return events.find((event) => event.responseId === responseId);
}

describe("a hedged call", () => {
  it("is answered by the faster target; the slower one is cancelled, and both are on the bill", async () => {
    const response = await client.unary(complete, ask("hedged"));
    expect(response.attempts.map(({ outcome }) => outcome).sort()).toEqual([
      AttemptOutcome.SERVED,
      AttemptOutcome.CANCELLED,
    ]);
    const event = await eventOf(response.responseId);
    expect(event?.outcome).toBe(Outcome.SUCCEEDED);
    expect(event?.attempts.length).toBe(2);
    const total = event?.attempts.reduce((sum, attempt) => sum + attempt.costNanoUsd, 0n);
    expect(event?.cost?.totalNanoUsd).toBe(total);
    const slow = await simulator.waitForRequest(({ body }) => body.includes("sim-slow-first-token-5000"));
    expect(await slow.closed).toBe("closed-early");
  });

  it("speaks with one voice when it streams", async () => {
    const { messages, error } = await collect(
      client.stream(streamComplete, { start: { case: "request", value: ask("hedged") } }),
    );
    expect(error).toBeUndefined();
    const response = foldResponses(messages);
    expect(response.attempts.find(({ outcome }) => outcome === AttemptOutcome.SERVED)?.provider).toBe("anthropic");
    expect(response.message?.parts.length).toBe(1);
  });
});

describe("a stream that breaks, to be continued", () => {
  it("goes on at a target that takes a prefill, and withdraws nothing", async () => {
    const { messages, error } = await collect(
      client.stream(streamComplete, {
        start: { case: "request", value: ask("continued") },
        options: { recovery: RecoveryMode.CONTINUE },
      }),
    );
    expect(error).toBeUndefined();
    expect(messages.some(({ event }) => event.case === "partsReset")).toBe(false);
    const response = foldResponses(messages);
    expect(response.message?.parts.length).toBe(1);
    expect(response.attempts.map(({ outcome }) => outcome)).toEqual([AttemptOutcome.CONTINUED, AttemptOutcome.SERVED]);
    const continuing = await simulator.waitForRequest(({ body }) => body.includes("claude-haiku-4-5"));
    expect(JSON.parse(continuing.body).messages.at(-1).role).toBe("assistant");
  });

  it("fails where no target can go on", async () => {
    const { messages, error } = await collect(
      client.stream(streamComplete, {
        start: { case: "request", value: ask("not-continued") },
        options: { recovery: RecoveryMode.CONTINUE },
      }),
    );
    expect(error?.code).toBe(grpcStatus.ABORTED);
    expect(messages.some(({ event }) => event.case === "completed")).toBe(false);
  });
});
