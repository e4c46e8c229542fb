// What is not chat, over a real process, a real gRPC client and the simulator on real HTTP.
import { status as grpcStatus, type ServiceError } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  CacheStatus,
  EmbeddingEncoding,
  EmbeddingTask,
  type EmbedResponse,
  InferenceService,
  Meter,
  Operation,
  Outcome,
  type UsageEvent,
  UsageService,
  UsageSource,
  WarningKind,
} from "../../src/contract.ts";
import { type Simulator, startSimulator } from "../../src/simulator/start-simulator.ts";
import { type GatewayProcess, startGateway, stopGateways } from "../gateway-process.ts";
import { TestClient } from "../grpc-client.ts";
import { detailsOf } from "../status-details.ts";

let simulator: Simulator;
let gateway: GatewayProcess;
let client: TestClient;

const { embed } = InferenceService.method;

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
  const key = "credentials: { api_key: { env: TEST_PROVIDER_KEY } }";
  const targets = (...all: readonly (readonly [provider: string, model: string])[]) =>
    all.map(([provider, model]) => `{ provider: ${provider}, model: "${model}" }`).join(", ");
  return `
providers:
  - { id: sim, kind: openai, base_url: "${url}", ${key} }
  - { id: ten, kind: openai-compatible, dialect: alibaba, base_url: "${url}/v1", ${key} }
  - { id: claude, kind: anthropic, base_url: "${url}", ${key} }
models:
  - { id: small, targets: [${targets(["sim", "sim-small"])}] }
  - { id: by-tens, targets: [${targets(["ten", "sim-small"])}] }
  - { id: chat-only, targets: [${targets(["claude", "sim-small"])}] }
  - { id: falls-over, targets: [${targets(["claude", "sim-small"], ["sim", "sim-fail-500"], ["ten", "sim-small"])}] }
  - { id: fails, targets: [${targets(["sim", "sim-fail-500"])}], retry: { max_attempts: 1 } }
  - { id: no-counts, targets: [${targets(["sim", "sim-no-usage"])}] }
  - { id: slow, targets: [${targets(["sim", "sim-slow-first-token-5000"])}] }
usage: { journal: { durability: os } }
`;
}

async function eventsOf(responseId: string): Promise<readonly UsageEvent[]> {
  const { events } = await client.unary(UsageService.method.listUsageEvents, { pageSize: 1_000 });
  return events.filter((event) => event.responseId === responseId);
}

async function failureOf(call: Promise<unknown>): Promise<ServiceError> {
  const failure = await call.catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(Error);
  return failure as ServiceError;
}

function texts(...all: readonly string[]) {
  return all.map((text) => ({ parts: [{ content: { case: "text" as const, value: { text } } }] }));
}

function requestsTo(path: string): number {
  return simulator.requests.filter((request) => request.path.includes(path)).length;
}

function cosine(left: readonly number[], right: readonly number[]): number {
  const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);
  return dot(left, right) / Math.sqrt(dot(left, left) * dot(right, right));
}

describe("embeddings", () => {
  it("come one for each input, in order, priced, and on record before the caller has them", async () => {
    const inputs = texts("a cat sat on the mat", "a cat sat on the rug", "money is tight");
    const response = await client.unary(embed, { model: "small", inputs, dimensions: 256 });
    expect(response.embeddings.map(({ values }) => values.length)).toEqual([256, 256, 256]);
    const [cat, rug, money] = response.embeddings.map(({ values }) => values);
    expect(cosine(cat ?? [], rug ?? [])).toBeGreaterThan(cosine(cat ?? [], money ?? []));
    expect(response.info?.usage).toMatchObject({ inputTokens: 15, outputTokens: 0, source: UsageSource.PROVIDER });
    expect(response.info?.cost?.items.map(({ meter }) => meter)).toEqual([Meter.INPUT_TOKENS]);
    expect(response.info?.cost?.totalNanoUsd).toBe(6_000n);
    const [event, ...more] = await eventsOf(response.info?.responseId ?? "");
    expect(more).toEqual([]);
    expect(event?.operation).toBe(Operation.EMBEDDINGS);
    expect(event?.outcome).toBe(Outcome.SUCCEEDED);
    expect(event?.streaming).toBe(false);
    expect(event?.cost?.totalNanoUsd).toBe(6_000n);
  });

  it("of a list that is too long for the provider take several requests, and are one answer and one bill", async () => {
    const before = requestsTo("/embeddings");
    const words = Array.from({ length: 25 }, (_value, index) => `word${index}`);
    const [whole, single] = [
      await client.unary(embed, { model: "by-tens", inputs: texts(...words), dimensions: 64 }),
      await client.unary(embed, { model: "by-tens", inputs: texts("word24"), dimensions: 64 }),
    ];
    expect(requestsTo("/embeddings") - before).toBe(3 + 1);
    expect(whole.embeddings.length).toBe(25);
    expect(whole.embeddings[24]?.values).toEqual(single.embeddings[0]?.values);
    expect(whole.info?.attempts.length).toBe(1);
    expect(whole.info?.usage?.inputTokens).toBe(25);
  });

  it("come as bytes and as bits when asked for, which a warning calls imitated", async () => {
    const inputs = texts("a cat sat on the mat");
    const ask = (encoding: EmbeddingEncoding): Promise<EmbedResponse> =>
      client.unary(embed, { model: "small", inputs, dimensions: 60, encoding });
    const floats = (await ask(EmbeddingEncoding.FLOAT32)).embeddings[0]?.values ?? [];
    const bytes = (await ask(EmbeddingEncoding.INT8)).embeddings[0]?.packedValues ?? new Uint8Array();
    const bits = await ask(EmbeddingEncoding.BINARY);
    expect(bytes.length).toBe(60);
    expect(cosine(floats, [...new Int8Array(bytes)])).toBeGreaterThan(0.999);
    const packed = bits.embeddings[0]?.packedValues ?? new Uint8Array();
    expect(packed.length).toBe(8);
    const unpacked = floats.map((_value, index) => ((packed[index >> 3] ?? 0) & (0x80 >> (index & 7))) !== 0);
    expect(unpacked).toEqual(floats.map((value) => value > 0));
    expect(bits.info?.warnings.map(({ kind, field }) => [kind, field])).toEqual([[WarningKind.EMULATED, "encoding"]]);
  });

  it("say in warnings what the provider does not do", async () => {
    const task = EmbeddingTask.QUERY;
    const response = await client.unary(embed, { model: "small", inputs: texts("x"), task, truncate: true });
    const said = response.info?.warnings.map(({ kind, field }) => [kind, field]);
    expect(said).toEqual([
      [WarningKind.PARAMETER_DROPPED, "task"],
      [WarningKind.PARAMETER_DROPPED, "truncate"],
    ]);
  });

  it("move on past a provider that does not embed, and past one that fails", async () => {
    const response = await client.unary(embed, { model: "falls-over", inputs: texts("hello there") });
    expect(response.embeddings.length).toBe(1);
    expect(response.info?.attempts.map(({ provider, httpStatus }) => [provider, httpStatus])).toEqual([
      ["openai", 500],
      ["alibaba", 200],
    ]);
  });

  it("are refused, with the field, where no target can make them", async () => {
    const failure = await failureOf(client.unary(embed, { model: "chat-only", inputs: texts("x") }));
    expect(failure.code).toBe(grpcStatus.INVALID_ARGUMENT);
    expect(detailsOf(failure).info?.reason).toBe("CAPABILITY_UNSUPPORTED");
    const picture = { source: { case: "data" as const, value: new Uint8Array([1]) }, mediaType: "image/png" };
    const inputs = [{ parts: [{ content: { case: "image" as const, value: picture } }] }];
    const another = await failureOf(client.unary(embed, { model: "small", inputs }));
    expect(detailsOf(another).info?.reason).toBe("CAPABILITY_UNSUPPORTED");
  });

  it("that fail everywhere say whether to try again, and leave one event", async () => {
    const labels = { test: "fails-everywhere" };
    const failure = await failureOf(client.unary(embed, { model: "fails", inputs: texts("x"), context: { labels } }));
    expect(failure.code).toBe(grpcStatus.UNAVAILABLE);
    expect(detailsOf(failure).retry).toBeDefined();
    const { events } = await client.unary(UsageService.method.listUsageEvents, { pageSize: 1_000 });
    const own = events.filter((event) => event.labels["test"] === labels.test);
    expect(own.map(({ outcome, operation }) => [outcome, operation])).toEqual([[Outcome.FAILED, Operation.EMBEDDINGS]]);
  });

  it("without a count of the provider are billed by an estimate, which says so", async () => {
    const { info } = await client.unary(embed, { model: "no-counts", inputs: texts("one two three four") });
    expect(info?.usage?.source).toBe(UsageSource.ESTIMATED);
    expect(info?.usage?.inputTokens).toBeGreaterThan(0);
    expect(info?.cost?.totalNanoUsd).toBeGreaterThan(0n);
  });

  it("asked for again with the same request id are the same answer, for one call and one bill", async () => {
    const before = requestsTo("/embeddings");
    const request = { model: "small", inputs: texts("remember me"), context: { requestId: "embed-once" } };
    const first = await client.unary(embed, request);
    const again = await client.unary(embed, request);
    expect(again.embeddings).toEqual(first.embeddings);
    expect(again.info?.responseId).toBe(first.info?.responseId);
    expect(again.info?.responseCacheStatus).toBe(CacheStatus.REPLAYED);
    expect(requestsTo("/embeddings") - before).toBe(1);
    expect((await eventsOf(first.info?.responseId ?? "")).length).toBe(1);
    const other = await failureOf(client.unary(embed, { ...request, inputs: texts("something else") }));
    expect(detailsOf(other).info?.reason).toBe("REQUEST_ID_REUSED");
  });

  it("end with the caller's deadline, and the provider's connection with them", async () => {
    const failure = await failureOf(client.unary(embed, { model: "slow", inputs: texts("x") }, { deadlineMs: 300 }));
    expect(failure.code).toBe(grpcStatus.DEADLINE_EXCEEDED);
    await expect.poll(() => simulator.open).toBe(0);
  });
});
