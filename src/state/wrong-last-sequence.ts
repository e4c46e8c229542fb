// How JetStream says that somebody else was faster.
import { JetStreamApiError } from "@nats-io/jetstream";

/** "wrong last sequence: 7". https://github.com/nats-io/nats-server/blob/main/server/errors.json */
const wrongLastSequence = 10_071;

/** "wrong last sequence": a cluster's answer while another compare-and-set of the same subject is on its way. */
const wrongLastSequenceUnknown = 10_164;

/** A create or a compare-and-set was refused because the key has changed, or is being changed; nothing was written. */
export function isWrongLastSequence(error: unknown): boolean {
  if (!(error instanceof JetStreamApiError)) return false;
  return error.code === wrongLastSequence || error.code === wrongLastSequenceUnknown;
}
