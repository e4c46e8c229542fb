// What the index keeps of an event beside its bytes.
import { CacheStatus, Outcome } from "../../contract.ts";
import { operationWord, outcomeWord } from "../event-words.ts";
import type { Metric } from "./index-query.ts";
import { type ReadEvent, readEvent } from "./read-event.ts";

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
const cacheHits: ReadonlySet<number> = new Set<number>([
  CacheStatus.HIT_EXACT,
  CacheStatus.HIT_SEMANTIC,
  CacheStatus.COALESCED,
]);

export function toIndexedEvent(payload: Uint8Array): IndexedEvent {
  const event = readEvent(payload);
  const { project, key, team, organisation, model, provider } = event;
  const words = [operationWord(event.operation), outcomeWord(event.outcome)] as const;
  return {
    eventId: event.eventId,
    correctsEventId: event.correctsEventId,
    timeMs: Math.floor(event.timeMs),
    workflowRun: event.workflowRun,
    core: [project, key, team, organisation, model, provider, ...words],
    endUser: event.endUser,
    labels: event.labels.sort(([a], [b]) => (a < b ? -1 : 1)),
    metrics: metricsOf(event),
    payload,
  };
}

function metricsOf(event: ReadEvent): Readonly<Record<Metric, bigint>> {
  return {
    requests: 1n,
    errors: event.outcome === Outcome.SUCCEEDED ? 0n : 1n,
    cache_hits: cacheHits.has(event.cacheStatus) ? 1n : 0n,
    input_tokens: BigInt(event.inputTokens),
    output_tokens: BigInt(event.outputTokens),
    cache_read_tokens: BigInt(event.cacheReadTokens),
    cache_write_tokens: BigInt(event.cacheWriteTokens),
    reasoning_tokens: BigInt(event.reasoningTokens),
    cost: event.costNanoUsd,
    saved: event.savedNanoUsd,
    duration_ms: BigInt(Math.round(event.durationMs)),
    reported_cost: event.reportedNanoUsd,
    compared_cost: event.comparedNanoUsd,
  };
}
