// The event of a call whose gateway died: what was known at its start, with the last counts that were written down.
import { clone, create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type Cost,
  Outcome,
  type Usage,
  type UsageEvent,
  UsageEventSchema,
  UsageSchema,
  UsageSource,
} from "../contract.ts";

/** gRPC UNAVAILABLE: what the caller of a gateway that died has seen. */
const statusUnavailable = 14;

/** What the usage of a lost call costs; `undefined`: not known. */
export type RepriceLost = (start: UsageEvent, usage: Usage) => Cost | undefined;

/**
 * Turns the event of a START record into the final one. The duration stays unset: when the call ended is not known. Its one
 * attempt gets the usage and the cost of the call, so that attempts and sums agree. A call for which no target was found has
 * sent nothing and consumed nothing.
 */
export function toLostEvent(
  start: UsageEvent,
  progress: Usage | undefined,
  nowMs: number,
  reprice: RepriceLost,
): UsageEvent {
  const event = clone(UsageEventSchema, start);
  event.eventTime = timestampFromMs(nowMs);
  event.outcome = Outcome.LOST;
  event.statusCode = statusUnavailable;
  event.duration = undefined;
  event.usage = undefined;
  event.cost = undefined;
  const [attempt] = event.attempts;
  if (attempt === undefined) return event;
  const usage = progress ?? start.usage ?? create(UsageSchema);
  usage.source = UsageSource.ESTIMATED;
  event.usage = usage;
  event.cost = reprice(start, usage);
  attempt.usage = clone(UsageSchema, usage);
  attempt.costNanoUsd = event.cost?.totalNanoUsd ?? 0n;
  attempt.serviceTier = ""; // Of a START it is what was asked for; what the provider used is not known.
  return event;
}
