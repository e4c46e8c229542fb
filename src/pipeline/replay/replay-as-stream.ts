import type { CompleteResponse } from "../../contract.ts";
import { withoutParts } from "../complete-response.ts";
import type { OutgoingEvent, StreamSink } from "../ports.ts";

/** Sends a finished answer as a stream: each part whole, in one piece. It folds to the same response. */
export function replayAsStream(response: CompleteResponse, repeatParts: boolean, sink: StreamSink): void {
  const parts = response.message?.parts ?? [];
  let sequence = 0;
  const push = (event: OutgoingEvent): void => {
    sequence += 1;
    sink.push(sequence, event);
  };
  push({ kind: "started", responseId: response.responseId, createdAtMs: createdAtMs(response), model: response.model });
  for (const [index, part] of parts.entries()) {
    push({ kind: "part-start", index, part });
    push({ kind: "part-end", index });
  }
  push({ kind: "completed", response: repeatParts ? response : withoutParts(response) });
  sink.flush();
  sink.succeed();
}

function createdAtMs(response: CompleteResponse): number {
  const { createTime } = response;
  return createTime === undefined ? 0 : Number(createTime.seconds) * 1_000 + createTime.nanos / 1e6;
}
