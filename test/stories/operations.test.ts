// What is not chat, over a real process, a real gRPC client and the simulator on real HTTP.
import { fromBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { status as grpcStatus, type ServiceError } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BadRequestSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import {
  CacheStatus,
  EmbeddingEncoding,
  EmbeddingTask,
  type EmbedResponse,
  InferenceService,
  Meter,
  ModelService,
  Operation,
  Outcome,
  SafetyAction,
  type UsageEvent,
  UsageService,
  UsageSource,
  WarningKind,
} from "../../src/contract.ts";
import { simulatedAwsKeys } from "../../src/simulator/bedrock/verify-signature.ts";
import { type Simulator, startSimulator } from "../../src/simulator/start-simulator.ts";
import { type GatewayProcess, startGateway, stopGateways } from "../gateway-process.ts";
import { collect, TestClient } from "../grpc-client.ts";
import { detailsOf } from "../status-details.ts";

let simulator: Simulator;
let gateway: GatewayProcess;
let client: TestClient;

const { embed, rerank, moderate, generateImages, transcribe, streamSpeech } = InferenceService.method;

beforeAll(async () => {
  simulator = await startSimulator();
  const { accessKeyId, secretAccessKey } = simulatedAwsKeys;
  const env = { TEST_AWS_ID: accessKeyId, TEST_AWS_SECRET: secretAccessKey };
  gateway = await startGateway({ yaml: yamlFor(simulator.url), env });
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
  - { id: azure, kind: azure-openai, base_url: "${url}", api_version: "2024-10-21", ${key} }
  - { id: google, kind: gemini, base_url: "${url}", ${key} }
  - { id: vertex, kind: vertex, project: acme, location: global, base_url: "${url}/gemini", credentials: { access_token: { env: TEST_PROVIDER_KEY } } }
  - { id: cohere, kind: cohere, base_url: "${url}", ${key} }
  - { id: mistral, kind: mistral, base_url: "${url}/mistral", ${key} }
  - { id: ollama, kind: ollama, base_url: "${url}" }
  - { id: aws, kind: bedrock, region: us-east-1, base_url: "${url}/bedrock", credentials: { access_key_id: { env: TEST_AWS_ID }, secret_access_key: { env: TEST_AWS_SECRET } } }
models:
  - { id: small, targets: [${targets(["sim", "sim-small"])}] }
  - { id: by-tens, targets: [${targets(["ten", "sim-small"])}] }
  - { id: chat-only, targets: [${targets(["claude", "sim-small"])}] }
  - { id: falls-over, targets: [${targets(["claude", "sim-small"], ["sim", "sim-fail-500"], ["ten", "sim-small"])}] }
  - { id: fails, targets: [${targets(["sim", "sim-fail-500"])}], retry: { max_attempts: 1 } }
  - { id: no-counts, targets: [${targets(["sim", "sim-no-usage"])}] }
  - { id: slow, targets: [${targets(["sim", "sim-slow-first-token-5000"])}] }
  - { id: by-azure, targets: [${targets(["azure", "sim-embed"])}] }
  - { id: by-google, targets: [${targets(["google", "sim-embed"])}] }
  - { id: by-vertex, targets: [${targets(["vertex", "sim-embed"])}] }
  - { id: by-vertex-singly, targets: [${targets(["vertex", "gemini-embedding-2"])}] }
  - { id: by-cohere, targets: [${targets(["cohere", "sim-embed"])}] }
  - { id: by-mistral, targets: [${targets(["mistral", "sim-embed"])}] }
  - { id: by-ollama, targets: [${targets(["ollama", "sim-embed"])}] }
  - { id: by-titan, targets: [${targets(["aws", "amazon.titan-embed-text-v2:0"])}] }
  - { id: by-cohere-at-aws, targets: [${targets(["aws", "cohere.embed-v4:0"])}] }
  - { id: ranks-at-cohere, targets: [${targets(["cohere", "sim-rerank"])}] }
  - { id: ranks-at-aws, targets: [${targets(["aws", "cohere.rerank-v3-5:0"])}] }
  - { id: judges-at-mistral, targets: [${targets(["mistral", "sim-moderation"])}] }
  - { id: draws-at-google, targets: [${targets(["google", "gemini-2.5-flash-image"])}] }
  - { id: draws-with-imagen, targets: [${targets(["vertex", "imagen-4.0-generate-001"])}] }
  - { id: draws-nothing, targets: [${targets(["google", "sim-image+content-filter"])}] }
  - { id: ranks, targets: [${targets(["ten", "sim-rerank"])}] }
  - { id: judges, targets: [${targets(["sim", "sim-moderation"])}] }
  - { id: draws, targets: [${targets(["sim", "sim-image"])}] }
  - { id: draws-one, targets: [${targets(["sim", "sim-dall-e"])}] }
  - { id: speaks, targets: [${targets(["sim", "gpt-4o-mini-tts"])}] }
  - { id: speaks-plainly, targets: [${targets(["sim", "sim-tts"])}] }
  - { id: speaks-uncounted, targets: [${targets(["ten", "sim-speech"])}] }
  - { id: speaks-on, targets: [${targets(["claude", "x"], ["sim", "sim-fail-503"], ["ten", "sim-tts"])}] }
  - { id: stutters, targets: [${targets(["sim", "sim-tts+cut-after-2"])}] }
  - { id: speaks-slowly, targets: [${targets(["sim", "sim-tts+pace-20ms"])}] }
  - { id: hears, targets: [${targets(["sim", "sim-whisper"])}] }
  - { id: hears-plainly, targets: [${targets(["sim", "gpt-4o-transcribe"])}] }
${brokenModels()
  .map(({ id, model }) => `  - { id: ${id}, targets: [${targets(["sim", model])}], retry: { max_attempts: 1 } }`)
  .join("\n")}
  - { id: embeds, targets: [${targets(["sim", "sim-embed"])}] }
budgets: [{ scope: "end_user/*", period: day, hard_usd: 0.5 }]
usage: { journal: { durability: os } }
`;
}

const breaks = ["garbage", "html", "reset", "cut-after-1", "fail-429-retry-after-2", "fail-400"] as const;
const kinds = ["embed", "moderation", "image", "whisper", "tts"] as const;

/** A model of each kind for each thing that breaks: one that is known to break is not asked again so soon. */
function brokenModels() {
  return breaks.flatMap((word) => kinds.map((kind) => ({ id: `${kind}-${word}`, model: `sim-${kind}+${word}` })));
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

/** Fields that the failure names. */
function fieldsOf(failure: ServiceError): readonly string[] {
  const [bytes] = failure.metadata.get("grpc-status-details-bin");
  const { details } = fromBinary(StatusSchema, bytes as Buffer);
  const bad = details.map((detail) => anyUnpack(detail, BadRequestSchema)).find((one) => one !== undefined);
  return bad?.fieldViolations.map(({ field }) => field) ?? [];
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
    expect(event?.timeToFirstToken).toBeUndefined();
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

  it.each([
    ["by-azure", 6],
    ["by-google", undefined],
    ["by-vertex", 6],
    ["by-vertex-singly", 6],
    ["by-cohere", 6],
    ["by-mistral", 6],
    ["by-ollama", 6],
    ["by-titan", 6],
    ["by-cohere-at-aws", undefined],
  ])("are the same vectors through every provider's own words (%s)", async (model, inputTokens) => {
    const request = { inputs: texts("a cat sat", "money is tight"), dimensions: 256 };
    const reference = await client.unary(embed, { model: "small", ...request });
    const response = await client.unary(embed, { model, ...request });
    const similarities = response.embeddings.map(({ values }, index) =>
      cosine(values, reference.embeddings[index]?.values ?? []),
    );
    expect(similarities.map((value) => value.toFixed(4))).toEqual(["1.0000", "1.0000"]);
    if (inputTokens === undefined) expect(response.info?.usage?.source).toBe(UsageSource.ESTIMATED);
    else expect(response.info?.usage).toMatchObject({ inputTokens, source: UsageSource.PROVIDER });
    expect((await eventsOf(response.info?.responseId ?? "")).map(({ outcome }) => outcome)).toEqual([
      Outcome.SUCCEEDED,
    ]);
  });

  it.each([EmbeddingEncoding.INT8, EmbeddingEncoding.BINARY])(
    "come in the model's own number format where it has one (%s)",
    async (encoding) => {
      const request = { inputs: texts("a cat sat on the mat"), dimensions: 256, encoding };
      const [own, made] = [
        await client.unary(embed, { model: "by-cohere", ...request }),
        await client.unary(embed, { model: "small", ...request }),
      ];
      const packed = (response: EmbedResponse) => response.embeddings[0]?.packedValues ?? new Uint8Array();
      expect(packed(own).length).toBe(encoding === EmbeddingEncoding.INT8 ? 256 : 32);
      if (encoding === EmbeddingEncoding.BINARY) expect(packed(own)).toEqual(packed(made));
      else expect(cosine([...new Int8Array(packed(own))], [...new Int8Array(packed(made))])).toBeGreaterThan(0.99);
      expect(own.info?.warnings).toEqual([]);
    },
  );

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
    expect(fieldsOf(another)).toEqual(["inputs[0].parts[0]"]);
    const context = { routing: { allowedProviders: ["nobody"] } };
    const unwanted = await failureOf(client.unary(embed, { model: "small", inputs: texts("x"), context }));
    expect(fieldsOf(unwanted)).toEqual(["context.routing.allowed_providers"]);
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

  it("of which some failed bill those that were made", async () => {
    const words = Array.from({ length: 60 }, (_value, index) => (index === 59 ? "[sim:fail-400]" : `word${index}`));
    const context = { labels: { test: "fails-in-part" } };
    await failureOf(client.unary(embed, { model: "by-tens", inputs: texts(...words), context }));
    const { events } = await client.unary(UsageService.method.listUsageEvents, { pageSize: 1_000 });
    const [event] = events.filter(({ labels }) => labels["test"] === context.labels.test);
    expect(event?.outcome).toBe(Outcome.FAILED);
    expect(event?.usage?.source).toBe(UsageSource.PROVIDER);
    // Four are under way at once, so that two at least had ended before the last began.
    expect(event?.usage?.inputTokens).toBeGreaterThanOrEqual(20);
    expect(event?.cost?.totalNanoUsd).toBeGreaterThan(0n);
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

describe("a provider that breaks", () => {
  const audio = { source: { case: "data" as const, value: new Uint8Array([1, 2, 3]) }, mediaType: "audio/mpeg" };

  const calls = {
    embed: (model: string) => client.unary(embed, { model, inputs: texts("x") }),
    moderation: (model: string) => client.unary(moderate, { model, parts: texts("x")[0]?.parts ?? [] }),
    image: (model: string) => client.unary(generateImages, { model, prompt: "x" }),
    whisper: (model: string) => client.unary(transcribe, { model, audio }),
    tts: async (model: string) => {
      const { error } = await collect(client.stream(streamSpeech, { model, text: "one two three" }));
      if (error !== undefined) throw error;
    },
  };

  const reasons: Readonly<Record<(typeof breaks)[number], string>> = {
    garbage: "PROVIDER_BAD_RESPONSE",
    html: "PROVIDER_BAD_RESPONSE",
    reset: "PROVIDER_UNAVAILABLE",
    "cut-after-1": "PROVIDER_UNAVAILABLE",
    "fail-429-retry-after-2": "PROVIDER_RATE_LIMITED",
    "fail-400": "PROVIDER_REJECTED_REQUEST",
  };

  it.each(breaks)("(%s) is told as such by every method, with one event each", async (word) => {
    for (const kind of kinds) {
      // Bytes that mean nothing are audio, for all that anybody can tell.
      if (kind === "tts" && word === "garbage") continue;
      const model = `${kind}-${word}`;
      const failure = await failureOf(calls[kind](model));
      // Audio that was heard before the cut cannot be taken back.
      const reason = kind === "tts" && word === "cut-after-1" ? "STREAM_INTERRUPTED" : reasons[word];
      expect([model, detailsOf(failure).info?.reason]).toEqual([model, reason]);
      const { events } = await client.unary(UsageService.method.listUsageEvents, { pageSize: 1_000 });
      const own = events.filter((event) => event.requestedModel === model);
      expect(own.map(({ attempts }) => attempts.length)).toEqual([1]);
    }
  });
});

describe("reranking", () => {
  const documents = ["the sea is wide", "a gateway for language models", "models of ships"];

  it("puts documents in order, best first, and bills what the provider counts", async () => {
    const response = await client.unary(rerank, { model: "ranks", query: "language models", documents });
    expect(response.results.map(({ index }) => index)).toEqual([1, 2, 0]);
    expect(response.results.map(({ relevanceScore }) => relevanceScore)).toEqual([1, 0.5, 0]);
    expect(response.info?.usage).toMatchObject({ inputTokens: 14, outputTokens: 0 });
    expect(response.info?.cost).toMatchObject({ incomplete: false, totalNanoUsd: 700n });
    const [event] = await eventsOf(response.info?.responseId ?? "");
    expect(event?.operation).toBe(Operation.RERANK);
  });

  it("gives no more than what was asked for", async () => {
    const response = await client.unary(rerank, { model: "ranks", query: "language models", documents, topN: 1 });
    expect(response.results.map(({ index }) => index)).toEqual([1]);
  });

  it.each(["ranks-at-cohere", "ranks-at-aws"])(
    "is billed by the search where the provider does (%s)",
    async (model) => {
      const response = await client.unary(rerank, { model, query: "language models", documents });
      expect(response.results.map(({ index }) => index)).toEqual([1, 2, 0]);
      expect(response.info?.usage?.searchUnits).toBe(1);
    },
  );

  it("is refused where the provider does not rank", async () => {
    const failure = await failureOf(client.unary(rerank, { model: "judges", query: "x", documents }));
    expect(detailsOf(failure).info?.reason).toBe("CAPABILITY_UNSUPPORTED");
  });
});

describe("moderation", () => {
  it("tells each category with its score, and whether any passes the threshold", async () => {
    const ask = (text: string) => client.unary(moderate, { model: "judges", parts: texts(text)[0]?.parts ?? [] });
    const [calm, harsh] = [await ask("a quiet morning"), await ask("a story of violence")];
    expect(calm.flagged).toBe(false);
    expect(harsh.flagged).toBe(true);
    const finding = harsh.findings.find(({ category }) => category === "violence");
    expect(finding).toMatchObject({ source: "openai", severity: "flagged", score: 0.93 });
    expect(harsh.findings.length).toBe(6);
    expect((await eventsOf(harsh.info?.responseId ?? ""))[0]?.operation).toBe(Operation.MODERATION);
  });

  it("finds what is flagged where the provider does not say it in one word", async () => {
    const response = await client.unary(moderate, { model: "judges-at-mistral", parts: texts("hate")[0]?.parts ?? [] });
    expect(response.flagged).toBe(true);
    expect(response.findings[0]?.source).toBe("mistral_ai");
  });

  it("looks at a picture together with the words beside it", async () => {
    const picture = { source: { case: "data" as const, value: new Uint8Array([1]) }, mediaType: "image/png" };
    const parts = [
      { content: { case: "text" as const, value: { text: "hate" } } },
      { content: { case: "image" as const, value: picture } },
    ];
    expect((await client.unary(moderate, { model: "judges", parts })).flagged).toBe(true);
  });
});

describe("images", () => {
  it("are drawn, and billed by the tokens that the provider counts", async () => {
    const response = await client.unary(generateImages, { model: "draws", prompt: "a red boat", imageCount: 2 });
    const [first, second] = response.images;
    expect(response.images.length).toBe(2);
    expect(first?.media?.mediaType).toBe("image/png");
    const bytes = first?.media?.source.value as Uint8Array;
    expect(Buffer.from(bytes.subarray(1, 4)).toString()).toBe("PNG");
    expect(second?.media?.source.value).not.toEqual(bytes);
    expect(first?.revisedPrompt).toBe("a red boat, in one colour");
    expect(response.info?.usage).toMatchObject({ inputTokens: 3, outputTokens: 544, imageOutputTokens: 544 });
    expect(response.info?.usage?.generatedImages).toBe(2);
    expect(response.info?.cost?.items.map(({ meter }) => meter)).toEqual([
      Meter.INPUT_TOKENS,
      Meter.IMAGE_OUTPUT_TOKENS,
    ]);
    expect((await eventsOf(response.info?.responseId ?? ""))[0]?.operation).toBe(Operation.IMAGE_GENERATION);
  });

  it("of a model that is billed by the image cost so much each", async () => {
    const { info } = await client.unary(generateImages, { model: "draws-one", prompt: "a red boat", imageCount: 3 });
    expect(info?.cost).toMatchObject({ incomplete: false, totalNanoUsd: 120_000_000n });
    expect(info?.cost?.items.map(({ meter, quantity }) => [meter, quantity])).toEqual([[Meter.IMAGES, 3n]]);
  });

  it.each(["draws-at-google", "draws-with-imagen"])("are drawn by Google's models too (%s)", async (model) => {
    const response = await client.unary(generateImages, { model, prompt: "a red boat", imageCount: 2, seed: 5n });
    const [first, second] = response.images.map(({ media }) => media?.source.value as Uint8Array);
    expect(response.images.length).toBe(2);
    expect(first).not.toEqual(second);
    expect(response.info?.usage?.generatedImages).toBe(2);
    expect(response.info?.attempts.length).toBe(1);
  });

  it("that a filter holds back are told as findings, not as a failure", async () => {
    const response = await client.unary(generateImages, { model: "draws-nothing", prompt: "a red boat" });
    expect(response.images).toEqual([]);
    expect(response.safetyFindings).toMatchObject([{ category: "image_safety", action: SafetyAction.BLOCKED }]);
  });

  it("are kept within a budget by what they will cost, before one is drawn", async () => {
    const before = requestsTo("/images/generations");
    const request = { model: "draws-one", prompt: "a red boat", context: { endUserId: "painter" } };
    const failure = await failureOf(client.unary(generateImages, { ...request, imageCount: 16 }));
    expect(detailsOf(failure).info?.reason).toBe("BUDGET_EXHAUSTED");
    expect(requestsTo("/images/generations") - before).toBe(0);
    const { info } = await client.unary(generateImages, { ...request, imageCount: 10 });
    expect((await eventsOf(info?.responseId ?? ""))[0]?.reservedNanoUsd).toBe(400_000_000n);
    expect(info?.cost?.totalNanoUsd).toBe(400_000_000n);
  });

  it("are changed where they are given", async () => {
    const before = requestsTo("/images/edits");
    const drawn = await client.unary(generateImages, { model: "draws", prompt: "a boat" });
    const inputImages = drawn.images.flatMap(({ media }) => (media === undefined ? [] : [media]));
    const edited = await client.unary(generateImages, { model: "draws", prompt: "a bigger boat", inputImages });
    expect(edited.images.length).toBe(1);
    expect(edited.info?.usage?.imageInputTokens).toBe(100);
    expect(requestsTo("/images/edits") - before).toBe(1);
  });
});

describe("speech", () => {
  async function hear(model: string, text: string) {
    const { messages, error } = await collect(client.stream(streamSpeech, { model, text, mediaType: "audio/wav" }));
    return { messages, error, bytes: messages.reduce((sum, { data }) => sum + data.length, 0), last: messages.at(-1) };
  }

  it("streams audio, names its type first and tells what it cost last", async () => {
    const { messages, error, bytes, last } = await hear("speaks", "one two three");
    expect(error).toBeUndefined();
    expect(bytes).toBe(3_000);
    expect(messages.map(({ mediaType }) => mediaType)).toEqual(["audio/wav", ...messages.slice(1).map(() => "")]);
    expect(messages.map(({ info }) => info !== undefined)).toEqual([...messages.slice(1).map(() => false), true]);
    expect(last?.info?.usage).toMatchObject({ inputTokens: 3, outputTokens: 24, source: UsageSource.PROVIDER });
    const [event, ...more] = await eventsOf(last?.info?.responseId ?? "");
    expect(more).toEqual([]);
    expect([event?.operation, event?.streaming, event?.outcome]).toEqual([Operation.SPEECH, true, Outcome.SUCCEEDED]);
  });

  it("of a model that is billed by character is priced by the text", async () => {
    const { last, bytes } = await hear("speaks-plainly", "one two three");
    expect(bytes).toBe(3_000);
    expect(last?.info?.usage).toMatchObject({ inputCharacters: 13 });
    expect(last?.info?.cost).toMatchObject({ incomplete: false, totalNanoUsd: 195_000n });
  });

  it("of a model that is billed by tokens, and does not count them, is priced by an estimate of them", async () => {
    const { last } = await hear("speaks-uncounted", "one two three");
    expect(last?.info?.usage).toMatchObject({ source: UsageSource.ESTIMATED, outputTokens: 20, audioOutputTokens: 20 });
    expect(last?.info?.usage?.inputCharacters).toBeUndefined();
    expect(last?.info?.cost?.incomplete).toBe(false);
  });

  it("moves on to the next target while nothing was heard", async () => {
    const { error, last } = await hear("speaks-on", "hello");
    expect(error).toBeUndefined();
    expect(last?.info?.attempts.map(({ provider }) => provider)).toEqual(["openai", "alibaba"]);
  });

  it("that breaks off is a failure with its bill, never a clean end", async () => {
    const { error, bytes, messages } = await hear("stutters", "one two three four");
    expect(bytes).toBe(2_000);
    expect(messages.some(({ info }) => info !== undefined)).toBe(false);
    expect(error?.code).toBe(grpcStatus.ABORTED);
    const { info, stream } = detailsOf(error as ServiceError);
    expect(info?.reason).toBe("STREAM_INTERRUPTED");
    expect(stream?.cost?.totalNanoUsd).toBeGreaterThan(0n);
    expect((await eventsOf(stream?.responseId ?? "")).map(({ outcome }) => outcome)).toEqual([Outcome.INTERRUPTED]);
  });

  it("that the caller leaves closes the provider's connection, and is billed", async () => {
    const text = Array.from({ length: 200 }, () => "word").join(" ");
    const labels = { test: "leaves-speech" };
    const call = client.stream(streamSpeech, { model: "speaks-slowly", text, context: { labels } });
    call.on("error", () => {});
    await new Promise((resolve) => call.once("data", resolve));
    call.cancel();
    await expect.poll(() => simulator.requests.at(-1)?.outcome).toBe("closed-early");
    await expect
      .poll(async () => {
        const { events } = await client.unary(UsageService.method.listUsageEvents, { pageSize: 1_000 });
        return events
          .filter((event) => event.labels["test"] === labels.test)
          .map(({ outcome, usage }) => [outcome, usage?.inputCharacters]);
      })
      .toEqual([[Outcome.CANCELLED, text.length]]);
  });

  it("comes whole to a caller who hears slowly", async () => {
    const text = Array.from({ length: 3_000 }, (_value, index) => `w${index}`).join(" ");
    let bytes = 0;
    for await (const piece of client.stream(streamSpeech, { model: "speaks-plainly", text })) {
      bytes += piece.data.length;
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(bytes).toBe(3_000_000);
  });
});

describe("transcripts", () => {
  const audio = {
    source: { case: "data" as const, value: new Uint8Array(11_500).fill(7) },
    mediaType: "audio/mpeg",
  };

  it("come with times, language and length, and are billed by time", async () => {
    const request = { model: "hears", audio, includeSegments: true, includeWords: true };
    const response = await client.unary(transcribe, request);
    expect(response.text).toBe("this is what the simulator heard in the audio that it was");
    expect([response.languageCode, response.duration?.seconds]).toEqual(["en", 6n]);
    expect(response.words.length).toBe(12);
    expect(response.words[1]).toMatchObject({
      text: "is",
      startOffset: { nanos: 500_000_000 },
      endOffset: { seconds: 1n },
    });
    expect(response.segments.map(({ text }) => text)[1]).toBe("heard in the audio that");
    expect(response.segments[0]?.confidence).toBeCloseTo(0.7788, 3);
    expect(response.info?.cost).toMatchObject({ incomplete: false, totalNanoUsd: 600_000n });
    expect((await eventsOf(response.info?.responseId ?? ""))[0]?.operation).toBe(Operation.TRANSCRIPTION);
  });

  it("of a model that gives the text alone say so, and are billed by tokens", async () => {
    const response = await client.unary(transcribe, { model: "hears-plainly", audio, includeWords: true });
    expect(response.words).toEqual([]);
    expect(response.info?.warnings.map(({ field }) => field)).toEqual(["include_words"]);
    expect(response.info?.usage).toMatchObject({ inputTokens: 60, audioInputTokens: 60, outputTokens: 12 });
  });

  it("are translated where the model can", async () => {
    const response = await client.unary(transcribe, { model: "hears", audio, translate: true });
    expect(response.languageCode).toBe("en");
    expect(requestsTo("/audio/translations")).toBe(1);
    const failure = await failureOf(client.unary(transcribe, { model: "hears-plainly", audio, translate: true }));
    expect(detailsOf(failure).info?.reason).toBe("CAPABILITY_UNSUPPORTED");
  });
});

describe("the models", () => {
  it("are listed with what they are for", async () => {
    const { models } = await client.unary(ModelService.method.listModels, {});
    const operationsOf = (id: string) => models.find(({ modelId }) => modelId === id)?.operations;
    expect(operationsOf("embeds")).toEqual([Operation.EMBEDDINGS]);
    expect(operationsOf("ranks")).toEqual([Operation.RERANK]);
    expect(operationsOf("judges")).toEqual([Operation.MODERATION]);
    expect(operationsOf("draws")).toEqual([Operation.IMAGE_GENERATION]);
    expect(operationsOf("speaks")).toEqual([Operation.SPEECH]);
    expect(operationsOf("hears")).toEqual([Operation.TRANSCRIPTION]);
    expect(operationsOf("small")).toEqual([Operation.CHAT, Operation.COUNT_TOKENS]);
    expect(operationsOf("chat-only")).toEqual([Operation.CHAT, Operation.COUNT_TOKENS]);
  });
});
