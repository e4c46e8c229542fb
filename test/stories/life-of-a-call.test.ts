// Whole lives, over a real process, a real gRPC client and the simulator on real HTTP.
import { create } from "@bufbuild/protobuf";
import { status as grpcStatus, type ServiceError } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type CompleteResponse,
  CompleteResponseSchema,
  FinishReason,
  InferenceService,
  ModelService,
  Outcome,
  type Part,
  Role,
  type StreamCompleteResponse,
  type UsageEvent,
  UsageService,
  UsageSource,
} from "../../src/contract.ts";
import { type Simulator, startSimulator } from "../../src/simulator/start-simulator.ts";
import { foldResponses } from "../fold-responses.ts";
import { type GatewayProcess, startGateway, stopGateways } from "../gateway-process.ts";
import { collect, TestClient } from "../grpc-client.ts";
import { detailsOf } from "../status-details.ts";

let simulator: Simulator;
let gateway: GatewayProcess;
let client: TestClient;

const complete = InferenceService.method.complete;
const streamComplete = InferenceService.method.streamComplete;

beforeAll(async () => {
  simulator = await startSimulator();
  gateway = await startGateway({ yaml: yamlFor(simulator.url) });
  client = new TestClient(gateway.port);
});

afterAll(async () => {
  client?.close();
  await stopGateways();
  await simulator?.close();
});

function yamlFor(url: string): string {
  const targets = (provider: string, ...models: string[]) =>
    models.map((model) => `{ provider: ${provider}, model: "${model}" }`).join(", ");
  return `
providers:
  - { id: sim, kind: openai, base_url: "${url}", credentials: { api_key: { env: TEST_PROVIDER_KEY } } }
  - { id: claude, kind: anthropic, base_url: "${url}", credentials: { api_key: { env: TEST_PROVIDER_KEY } } }
  - { id: nowhere, kind: openai, base_url: "http://127.0.0.1:9", credentials: { api_key: { env: TEST_PROVIDER_KEY } } }
models:
  - { id: small, targets: [${targets("sim", "sim-small")}] }
  - { id: small-claude, targets: [${targets("claude", "sim-small")}] }
  - { id: long, targets: [${targets("sim", "sim-tokens-200+pace-20ms")}] }
  - { id: cut, targets: [${targets("sim", "sim-tokens-20+cut-after-5")}] }
  - { id: limited, targets: [${targets("sim", "sim-fail-429-retry-after-2")}], retry: { max_attempts: 1 } }
  - { id: falls-over, targets: [${targets("nowhere", "x")}, ${targets("sim", "sim-fail-500")}, ${targets("claude", "sim-small")}] }
  - { id: slow, targets: [${targets("sim", "sim-slow-first-token-5000")}] }
usage: { journal: { durability: os } }
`;
}

function ask(model: string, text = "Say something about gateways.") {
  return { model, messages: [{ role: Role.USER, parts: [{ content: { case: "text" as const, value: { text } } }] }] };
}

async function eventOf(responseId: string): Promise<UsageEvent | undefined> {
  const { events } = await client.unary(UsageService.method.listUsageEvents, {});
  return events.find((event) => event.responseId === responseId);
}

function textOf(parts: readonly Part[] | undefined): string {
  return (parts ?? []).map(({ content }) => (content.case === "text" ? content.value.text : "")).join("");
}

describe("a unary completion", () => {
  it("is answered in one shape, priced, and on record before the caller has it", async () => {
    const response = await client.unary(complete, ask("small"));
    expect(textOf(response.message?.parts)).not.toBe("");
    expect(response.finishReason).toBe(FinishReason.STOP);
    expect(response.usage?.inputTokens).toBeGreaterThan(0);
    expect(response.usage?.source).toBe(UsageSource.PROVIDER);
    expect(response.cost?.totalNanoUsd).toBeGreaterThan(0n);
    const event = await eventOf(response.responseId);
    expect(event?.outcome).toBe(Outcome.SUCCEEDED);
    expect(event?.usage?.outputTokens).toBe(response.usage?.outputTokens);
    expect(event?.cost?.totalNanoUsd).toBe(response.cost?.totalNanoUsd);
    expect(event?.principal?.projectId).toBe("search");
    expect(event?.principal?.teamId).toBe("platform");
  });

  it("moves on to the next target until one answers, and says so", async () => {
    const response = await client.unary(complete, ask("falls-over"));
    expect(response.attempts.length).toBeGreaterThanOrEqual(3);
    expect(response.attempts.at(-1)?.provider).toBe("anthropic");
    expect(textOf(response.message?.parts)).not.toBe("");
  });

  it("tells how long to wait when every provider rate-limits", async () => {
    const failure = await client.unary(complete, ask("limited")).catch((error: ServiceError) => error);
    expect((failure as ServiceError).code).toBe(grpcStatus.RESOURCE_EXHAUSTED);
    const details = detailsOf(failure as ServiceError);
    expect(details.info?.reason).toBe("PROVIDER_RATE_LIMITED");
    expect(details.retry?.retryDelay?.seconds).toBe(2n);
    expect(details.pushback).toBe("2000");
    expect(details.attempts?.attempts.length).toBe(1);
  });

  it("ends with the caller's deadline, and is billed as cancelled", async () => {
    const failure = (await client
      .unary(complete, ask("slow"), { deadlineMs: 300 })
      .catch((error) => error)) as ServiceError;
    expect(failure.code).toBe(grpcStatus.DEADLINE_EXCEEDED);
    const cancelled = await eventually(async () => {
      const { events } = await client.unary(UsageService.method.listUsageEvents, {});
      return events.find((event) => event.requestedModel === "slow" && event.outcome === Outcome.CANCELLED);
    });
    expect(cancelled.usage?.source).toBe(UsageSource.ESTIMATED);
  });

  it("does not tell a stranger what exists", async () => {
    const failure = (await client
      .unary(complete, ask("small"), { secret: "wrong" })
      .catch((error) => error)) as ServiceError;
    expect(failure.code).toBe(grpcStatus.UNAUTHENTICATED);
    expect(detailsOf(failure).info?.reason).toBe("CREDENTIALS_INVALID");
  });

  it("names the field that breaks a rule of the contract", async () => {
    const failure = (await client
      .unary(complete, { ...ask("small"), sampling: { temperature: 7 } })
      .catch((error) => error)) as ServiceError;
    expect(failure.code).toBe(grpcStatus.INVALID_ARGUMENT);
    expect(detailsOf(failure).info?.reason).toBe("INVALID_REQUEST");
  });
});

describe("a streamed completion", () => {
  for (const model of ["small", "small-claude"]) {
    it(`folds to what the unary method answers (${model})`, async () => {
      const unary = await client.unary(complete, ask(model));
      const { messages, error } = await collect(
        client.stream(streamComplete, { start: { case: "request", value: ask(model) } }),
      );
      expect(error).toBeUndefined();
      expectOrder(messages);
      const folded = foldResponses(messages);
      expect(comparable(folded)).toEqual(comparable(unary));
    });
  }

  it("that the provider cuts ends with a failure and its bill, never as a clean end", async () => {
    const { messages, error } = await collect(
      client.stream(streamComplete, { start: { case: "request", value: ask("cut") } }),
    );
    expect(messages.some((message) => message.event.case === "completed")).toBe(false);
    expect(error?.code).toBe(grpcStatus.ABORTED);
    const details = detailsOf(error as ServiceError);
    expect(details.info?.reason).toBe("STREAM_INTERRUPTED");
    expect(details.stream?.lastSequence).toBe(messages.at(-1)?.sequence);
    const started = messages[0]?.event;
    const event = await eventOf(started?.case === "started" ? started.value.responseId : "");
    expect(event?.outcome).toBe(Outcome.INTERRUPTED);
    expect(event?.usage?.outputTokens).toBeGreaterThan(0);
  });

  it("that the caller leaves closes the provider's connection and bills what was consumed", async () => {
    const stream = client.stream(streamComplete, { start: { case: "request", value: ask("long") } });
    let responseId = "";
    for await (const message of stream) {
      const { event } = message as StreamCompleteResponse;
      if (event.case === "started") responseId = event.value.responseId;
      if (event.case === "partDelta") break;
    }
    stream.cancel();
    const request = await simulator.waitForRequest((one) => one.body.includes("sim-tokens-200"));
    expect(await request.closed).toBe("closed-early");
    const event = await eventually(() => eventOf(responseId));
    expect(event.outcome).toBe(Outcome.CANCELLED);
    expect(event.usage?.outputTokens).toBeGreaterThan(0);
    expect(event.usage?.source).not.toBe(UsageSource.PROVIDER);
  });

  it("goes on from a cursor, without a gap and without a repeat", async () => {
    const whole = await collect(
      client.stream(streamComplete, {
        start: { case: "request", value: ask("small") },
        options: { resumable: true },
      }),
    );
    const first = whole.messages[0]?.event;
    const responseId = first?.case === "started" ? first.value.responseId : "";
    const rest = await collect(
      client.stream(streamComplete, { start: { case: "resume", value: { responseId, afterSequence: 3 } } }),
    );
    expect(rest.error).toBeUndefined();
    expect(rest.messages.map((message) => message.sequence)).toEqual(
      whole.messages.map((message) => message.sequence).filter((sequence) => sequence > 3),
    );
  });
});

describe("a request id", () => {
  it("gives the first answer again, for one provider call and one event", async () => {
    const request = { ...ask("small", "only once, please"), requestId: "once-1" };
    const first = await client.unary(complete, request);
    const again = await client.unary(complete, request);
    expect(again.responseId).toBe(first.responseId);
    const { messages } = await collect(client.stream(streamComplete, { start: { case: "request", value: request } }));
    expect(textOf(foldResponses(messages).message?.parts)).toBe(textOf(first.message?.parts));
    const { events } = await client.unary(UsageService.method.listUsageEvents, {});
    expect(events.filter((event) => event.requestId === "once-1").length).toBe(1);
  });

  it("is refused with another payload", async () => {
    await client.unary(complete, { ...ask("small", "one"), requestId: "once-2" });
    const failure = (await client
      .unary(complete, { ...ask("small", "two"), requestId: "once-2" })
      .catch((error) => error)) as ServiceError;
    expect(failure.code).toBe(grpcStatus.ALREADY_EXISTS);
  });
});

describe("the models", () => {
  it("are listed with prices and what they can do", async () => {
    const { models } = await client.unary(ModelService.method.listModels, {});
    expect(models.map((model) => model.modelId)).toEqual([...models.map((model) => model.modelId)].sort());
    expect(models.find((model) => model.modelId === "small")?.prices.length).toBeGreaterThan(0);
  });
});

function expectOrder(messages: readonly StreamCompleteResponse[]): void {
  const counted = messages.filter((message) => message.event.case !== "heartbeat");
  expect(counted.map((message) => message.sequence)).toEqual(counted.map((_, index) => index + 1));
  expect(counted[0]?.event.case).toBe("started");
  expect(counted.at(-1)?.event.case).toBe("completed");
}

/** Less ids and times. */
function comparable(response: CompleteResponse) {
  const { responseId, createTime, duration, timeToFirstToken, attempts, ...same } = create(
    CompleteResponseSchema,
    response,
  );
  return {
    ...same,
    attempts: attempts.map(({ provider, usage, costNanoUsd, outcome }) => ({ provider, usage, costNanoUsd, outcome })),
  };
}

async function eventually<Value>(look: () => Promise<Value | undefined>): Promise<Value> {
  for (let tries = 0; tries < 100; tries++) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error("it did not come about");
}
