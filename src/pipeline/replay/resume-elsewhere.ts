import type { StreamCursor } from "../../contract.ts";
import type { CallFailure } from "../../domain/call-failure.ts";
import { type SharedCalls, SharedStateError } from "../../domain/shared-calls.ts";
import type { LiveCall } from "../live-call.ts";
import type { CallHandle, StreamSink } from "../ports.ts";
import { LaterCall, stateUnreachable } from "./claimed-call.ts";
import { cursorExpired, RemoteCall } from "./remote-call.ts";

export type ResumeElsewhereOptions = {
  readonly call: LiveCall;
  readonly shared: SharedCalls;
  readonly cursor: StreamCursor;
  readonly sink: StreamSink;
  readonly refuse: (failure: CallFailure) => CallHandle;
};

/** Goes on with a stream that another replica runs, or has run. */
export function resumeElsewhere(options: ResumeElsewhereOptions): CallHandle {
  const later = new LaterCall(options.call);
  const found = find(options).then((handle) => later.become(handle));
  found.catch((error: unknown) => later.become(options.refuse(options.call.toCallFailure(error))));
  return later;
}

async function find({ call, shared, cursor, sink, refuse }: ResumeElsewhereOptions): Promise<CallHandle> {
  const { responseId, afterSequence } = cursor;
  const { projectId } = call.account.identity.caller;
  let owner: string | undefined;
  try {
    owner = await call.scope.until(shared.locate({ projectId, responseId }));
  } catch (error) {
    // Whether it expired is not known: who asks again may find it.
    return refuse(error instanceof SharedStateError ? stateUnreachable(error) : call.toCallFailure(error));
  }
  if (owner === undefined) return refuse(cursorExpired());
  return new RemoteCall({
    call,
    shared,
    place: { owner, responseId },
    want: "resume",
    after: afterSequence,
    listener: {
      events: sink,
      outcome() {}, // Not said to who wants events after a cursor.
      fail: (failure) => sink.fail(failure),
      lost() {}, // A cursor has one owner.
    },
  });
}
