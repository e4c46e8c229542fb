// What the index keeps of an event beside its bytes.
import { fromBinary } from "@bufbuild/protobuf";
import { durationMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { CacheStatus, Outcome, type UsageEvent, UsageEventSchema } from "../../contract.ts";
import { operationWord, outcomeWord } from "../event-words.ts";
import type { Metric } from "./index-query.ts";

export type IndexedEvent = {
  readonly eventId: string;
  readonly correctsEventId: string;
  readonly timeMs: number;
  readonly workflowRun: string;
  readonly core: readonly [
    project: string,
    key: string,
    team: string,
    organisation: string,
    model: string,
    provider: string,
    operation: string,
    outcome: string,
  ];
  readonly endUser: string;
  /** Sorted by key. */
  readonly labels: readonly (readonly [string, string])[];
  /** An unknown count adds nothing to a sum. */
  readonly metrics: Readonly<Record<Metric, bigint>>;
  readonly payload: Uint8Array;
};

/** Answers that the response cache gave. */
const cacheHits: ReadonlySet<CacheStatus> = new Set([
  CacheStatus.HIT_EXACT,
  CacheStatus.HIT_SEMANTIC,
  CacheStatus.COALESCED,
]);

export function toIndexedEvent(payload: Uint8Array): IndexedEvent {
  const event = fromBinary(UsageEventSchema, payload);
  const { projectId = "", keyId = "", teamId = "", orgId = "", endUserId = "" } = event.principal ?? {};
  const operation = operationWord(event.operation);
  return {
    eventId: event.eventId,
    correctsEventId: event.correctsEventId,
    timeMs: event.eventTime === undefined ? 0 : timestampMs(event.eventTime),
    workflowRun: event.workflowRunId,
    core: [projectId, keyId, teamId, orgId, event.model, event.provider, operation, outcomeWord(event.outcome)],
    endUser: endUserId,
    labels: Object.entries(event.labels).sort(([a], [b]) => (a < b ? -1 : 1)),
    metrics: metricsOf(event),
    payload,
  };
}

function metricsOf(event: UsageEvent): Readonly<Record<Metric, bigint>> {
  const { usage } = event;
  return {
    requests: 1n,
    errors: event.outcome === Outcome.SUCCEEDED ? 0n : 1n,
    cache_hits: cacheHits.has(event.responseCacheStatus) ? 1n : 0n,
    input_tokens: BigInt(usage?.inputTokens ?? 0),
    output_tokens: BigInt(usage?.outputTokens ?? 0),
    cache_read_tokens: BigInt(usage?.cacheReadInputTokens ?? 0),
    cache_write_tokens: BigInt(usage?.cacheWriteInputTokens ?? 0),
    reasoning_tokens: BigInt(usage?.reasoningOutputTokens ?? 0),
    cost: event.cost?.totalNanoUsd ?? 0n,
    saved: event.savedNanoUsd,
    duration_ms: event.duration === undefined ? 0n : BigInt(Math.round(durationMs(event.duration))),
  };
}
