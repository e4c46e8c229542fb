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

/**
 * Turns the event of a START record into the final one. The duration stays unset: when the call ended is not known. `reprice` says
 * what the estimated usage costs; `undefined`: not known, and the event then has no cost.
 */
export function toLostEvent(
  start: UsageEvent,
  progress: Usage | undefined,
  nowMs: number,
  reprice: (event: UsageEvent) => Cost | undefined,
): UsageEvent {
  const event = clone(UsageEventSchema, start);
  event.eventTime = timestampFromMs(nowMs);
  event.outcome = Outcome.LOST;
  event.statusCode = statusUnavailable;
  event.usage = progress ?? event.usage ?? create(UsageSchema);
  event.usage.source = UsageSource.ESTIMATED;
  event.duration = undefined;
  event.cost = reprice(event);
  return event;
}
