// Events as a company of some size makes them: 30 days, 20 projects with 5 keys each, 12 models of 5 providers, 50,000 end
// users of 200 tenants, two labels. The same seed makes the same events.
import { toBinary } from "@bufbuild/protobuf";
import {
  type Attempt,
  AttemptOutcome,
  ErrorReason,
  FinishReason,
  Operation,
  Outcome,
  type Usage,
  UsageEventSchema,
  UsageSource,
} from "../../src/contract.ts";
import { createUsageEvent, toDuration, toTimestamp } from "../../src/metering/usage-event.ts";

export const madeUp = { days: 30, projects: 20, keys: 100, models: 12, providers: 5, endUsers: 50_000, tenants: 200 };
export const beginMs = Date.UTC(2026, 9, 20);
const features = ["chat", "search", "summary", "draft", "code", "review", "translate", "extract"];
const dayMs = 86_400_000;

/** The binary form of event `index` of `count`, which are in the order of their time. */
export function createEventMaker(count: number, seed = 1): (index: number) => Uint8Array {
  const random = createRandom(seed);
  const below = (limit: number): number => Math.floor(random() * limit);
  const stepMs = (madeUp.days * dayMs) / count;
  return (index) => {
    const user = Math.floor(madeUp.endUsers * random() * random()); // Some ask much more often than others.
    const project = user % madeUp.projects;
    const model = Math.floor(madeUp.models * random() * random());
    const isServed = random() < 0.97;
    const startedAtMs = Math.floor(beginMs + index * stepMs);
    const [inputTokens, outputTokens] = [50 + below(4_000), 10 + below(800)];
    const usage = {
      $typeName: "llmgateway.v1.Usage",
      inputTokens,
      outputTokens,
      source: UsageSource.PROVIDER,
    } as Usage;
    usage.cacheReadInputTokens = below(inputTokens);
    usage.cacheWrites = [];
    usage.providerToolCalls = {};
    const totalNanoUsd = BigInt(inputTokens * 150 + outputTokens * 600);
    const provider = `provider-${model % madeUp.providers}`;
    const event = createUsageEvent({
      eventId: `01a21040-${index.toString(16).padStart(12, "0")}-7abc-${user.toString(16).padStart(8, "0")}`,
      responseId: `01a21040-${index.toString(16).padStart(12, "0")}-7abc-${user.toString(16).padStart(8, "0")}`,
      requestId: "",
      operation: below(10) === 0 ? Operation.EMBEDDINGS : Operation.CHAT,
      streaming: true,
      caller: {
        projectId: `project-${project}`,
        keyId: `key-${project * 5 + below(5)}`,
        teamId: `team-${project % 5}`,
        organisationId: "acme",
        service: "",
      } as Parameters<typeof createUsageEvent>[0]["caller"],
      endUserId: `user-${user}`,
      requestedModel: `model-${model}`,
      model: `model-${model}`,
      provider,
      outcome: isServed ? Outcome.SUCCEEDED : Outcome.FAILED,
      statusCode: isServed ? 0 : 14,
      finishReason: FinishReason.STOP,
      usage,
      cost: {
        $typeName: "llmgateway.v1.Cost",
        totalNanoUsd,
        items: [],
        priceListVersion: "openai-2026-11-20",
        incomplete: false,
      },
      attempts: [attemptOf(provider, `model-${model}`, usage, totalNanoUsd, startedAtMs)],
      reservedNanoUsd: totalNanoUsd * 2n,
      startedAtMs,
      endedAtMs: startedAtMs + 1_200,
      durationMs: 1_200,
      timeToFirstTokenMs: 300,
      overheadMs: 0.8,
      traceId: "0af7651916cd43dd8448eb211c80319c",
      spanId: "00f067aa0ba902b7",
      conversationId: "",
      labels: { feature: features[below(features.length)] ?? "", tenant: `tenant-${user % madeUp.tenants}` },
    });
    return toBinary(UsageEventSchema, event);
  };
}

function attemptOf(provider: string, model: string, usage: Usage, costNanoUsd: bigint, startedAtMs: number): Attempt {
  return {
    $typeName: "llmgateway.v1.Attempt",
    number: 1,
    provider,
    targetId: `${provider}/${model}`,
    providerModel: model,
    responseModel: model,
    region: "",
    startTime: toTimestamp(startedAtMs),
    duration: toDuration(1_199),
    outcome: AttemptOutcome.SERVED,
    errorReason: ErrorReason.UNSPECIFIED,
    httpStatus: 200,
    providerRequestId: "req_0123456789abcdef",
    usage,
    costNanoUsd,
    serviceTier: "",
    providerId: provider,
  };
}

/** mulberry32: from 0 to below 1. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
