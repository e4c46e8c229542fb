// A finished call for tests: two attempts, the second served.
import { create } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  AttemptOutcome,
  ErrorReason,
  FinishReason,
  Operation,
  Outcome,
  type UsageEvent,
  UsageEventSchema,
} from "../contract.ts";
import type { CallRecord } from "../pipeline/ports.ts";

const startedAtMs = 1_800_000_000_000;

/** Unix milliseconds at which the call ended. */
export const sampleEndMs = startedAtMs + 1250;

export function sampleCallRecord(change: (event: UsageEvent) => void = () => undefined): CallRecord {
  const event = create(UsageEventSchema, {
    eventId: "01980000-0000-7000-8000-000000000001",
    responseId: "01980000-0000-7000-8000-000000000001",
    operation: Operation.CHAT,
    streaming: true,
    principal: { projectId: "search", keyId: "search-prod", teamId: "platform", orgId: "acme" },
    requestedModel: "support-chat",
    model: "claude-haiku-4-5",
    provider: "anthropic",
    outcome: Outcome.SUCCEEDED,
    finishReason: FinishReason.STOP,
    usage: { inputTokens: 120, outputTokens: 51, cacheReadInputTokens: 100 },
    cost: { totalNanoUsd: 123_456n },
    startTime: timestampFromMs(startedAtMs),
    eventTime: timestampFromMs(sampleEndMs),
    duration: durationFromMs(1250),
    timeToFirstToken: durationFromMs(250),
    traceId: "0af7651916cd43dd8448eb211c80319c",
    spanId: "00f067aa0ba902b7",
    attempts: [
      {
        number: 1,
        provider: "openai",
        targetId: "openai/gpt-4.1-mini",
        providerModel: "gpt-4.1-mini",
        outcome: AttemptOutcome.FAILED,
        errorReason: ErrorReason.PROVIDER_OVERLOADED,
        httpStatus: 503,
        startTime: timestampFromMs(startedAtMs + 1),
        duration: durationFromMs(50),
      },
      {
        number: 2,
        provider: "anthropic",
        targetId: "claude/claude-haiku-4-5",
        providerModel: "claude-haiku-4-5",
        responseModel: "claude-haiku-4-5-20251001",
        outcome: AttemptOutcome.SERVED,
        httpStatus: 200,
        startTime: timestampFromMs(startedAtMs + 51),
        duration: durationFromMs(1199),
        usage: { inputTokens: 120, outputTokens: 51, cacheReadInputTokens: 100 },
      },
    ],
  });
  change(event);
  return {
    event,
    method: "StreamComplete",
    caller: {
      organisationId: "acme",
      teamId: "platform",
      projectId: "search",
      keyId: "search-prod",
      service: "",
      roles: ["inference"],
      models: ["*"],
    },
    correlationId: "order-4711",
    overheadMs: 0.75,
  };
}
