// What the index keeps of an event beside its bytes.
import { CacheStatus, Outcome } from "../../contract.ts";
import { operationWord, outcomeWord } from "../event-words.ts";
import type { Sums } from "./index-query.ts";
import type { NameSource } from "./index-source.ts";
import { type ReadEvent, readEvent } from "./read-event.ts";

export type IndexedEvent = {
  readonly eventId: string;
  readonly correctsEventId: string;
  readonly timeMs: number;
  readonly names: Readonly<Record<NameSource, string>>;
  readonly labels: readonly (readonly [key: string, value: string])[];
  /** An unknown count adds nothing to a sum. */
  readonly metrics: Sums;
  readonly payload: Uint8Array;
};

/** Answers that the response cache gave. */
const cacheHits: ReadonlySet<number> = new Set<number>([
  CacheStatus.HIT_EXACT,
  CacheStatus.HIT_SEMANTIC,
  CacheStatus.COALESCED,
]);
/** The last millisecond that a `Date` has. */
const timeMsMax = 8.64e15;
/** A duration as the contract's sums can hold it. */
const durationMsMax = 2 ** 53 - 1;

export function toIndexedEvent(payload: Uint8Array): IndexedEvent {
  const event = readEvent(payload);
  return {
    eventId: event.eventId,
    correctsEventId: event.correctsEventId,
    timeMs: Math.max(-timeMsMax, Math.min(timeMsMax, Math.floor(event.timeMs))),
    names: {
      project: event.project,
      key: event.key,
      team: event.team,
      organisation: event.organisation,
      model: event.model,
      provider: event.provider,
      operation: operationWord(event.operation),
      outcome: outcomeWord(event.outcome),
      end_user: event.endUser,
      workflow_run: event.workflowRun,
    },
    labels: event.labels,
    metrics: metricsOf(event),
    payload,
  };
}

function metricsOf(event: ReadEvent): Sums {
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
    duration_ms: BigInt(Math.max(-durationMsMax, Math.min(durationMsMax, Math.round(event.durationMs)))),
    reported_cost: event.reportedNanoUsd,
    compared_cost: event.comparedNanoUsd,
  };
}
