// Calls that may be asked for again: by their `request_id`, or, for a resumable stream, by a cursor.
import * as z from "zod";
import { defaults, limits } from "../defaults.ts";
import { duration, size } from "./scalars.ts";

/** `replay:` */
export const replaySection = z.strictObject({
  remember: duration({ minMs: 60_000, maxMs: limits.retainMsMax })
    .prefault(defaults.rememberCalls)
    .describe("How long the outcome of a `request_id` is given again. Over replicas: as the bucket was made."),
  resume_window: duration({ minMs: 1_000, maxMs: limits.timeoutMsMax })
    .prefault(defaults.resumeWindow)
    .describe("How long a resumable stream goes on without a reader, and how long its events are kept after its end."),
  max_answer_bytes: size({ min: 0, max: limits.requestBytesMax })
    .prefault(defaults.sharedAnswerBytes)
    .describe(
      "Largest answer that is kept for other replicas. A larger one is given again while its replica lives. 0: none is kept.",
    ),
  max_bytes: size({ min: limits.sharedBytesMin, max: limits.sharedBytesMax })
    .prefault(defaults.sharedBytes)
    .describe(
      "Room in NATS for answers, and as much for request ids, when the buckets are made; of answers the oldest go when it is full.",
    ),
  on_state_failure: z
    .enum(["local", "closed"])
    .prefault("local")
    .describe(
      "With `cluster`, when NATS cannot be asked: a `request_id` is known to one replica alone, and the answer has a warning; or the call is refused with a retry.",
    ),
});
