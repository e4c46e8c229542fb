// What a system is still to be told of an event: all of it, or, of a correction, by how much it differs from what was told of
// the event that it replaces. Systems that only add up take the difference; none of the three here can replace an event.
import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { UsageEvent } from "../../src/contract.ts";

export type UsageDifference = {
  /** `undefined`: not known, neither before nor now. Below zero: too much was told before. */
  readonly inputTokens: number | undefined;
  readonly outputTokens: number | undefined;
  readonly cacheReadInputTokens: number | undefined;
  readonly costNanoUsd: bigint | undefined;
  /**
   * Unix milliseconds: of the call, or of the correction. The period of the call may be invoiced by then, and what is told
   * for an invoiced period is never billed.
   */
  readonly timeMs: number;
};

/**
 * `corrected`: the event that `event.corrects_event_id` names, a correction perhaps itself. Throws when it is not given: a
 * correction can arrive before it, and then waits for it.
 */
export function toDifference(event: UsageEvent, corrected: UsageEvent | undefined): UsageDifference {
  if (event.correctsEventId !== (corrected?.eventId ?? "")) {
    throw new Error(`event ${event.eventId} needs the event that it corrects, and no other`);
  }
  const time = event.correction?.createTime ?? event.eventTime;
  const [before, now] = [corrected?.usage, event.usage];
  return {
    inputTokens: less(now?.inputTokens, before?.inputTokens),
    outputTokens: less(now?.outputTokens, before?.outputTokens),
    cacheReadInputTokens: less(now?.cacheReadInputTokens, before?.cacheReadInputTokens),
    costNanoUsd: lessNanoUsd(event.cost?.totalNanoUsd, corrected?.cost?.totalNanoUsd),
    timeMs: time === undefined ? 0 : timestampMs(time),
  };
}

/** Of what is not known nothing was told. */
function less(now: number | undefined, before: number | undefined): number | undefined {
  return now === undefined && before === undefined ? undefined : (now ?? 0) - (before ?? 0);
}

function lessNanoUsd(now: bigint | undefined, before: bigint | undefined): bigint | undefined {
  return now === undefined && before === undefined ? undefined : (now ?? 0n) - (before ?? 0n);
}
