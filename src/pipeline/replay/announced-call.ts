import type { CallFailure } from "../../domain/call-failure.ts";
import { type SharedCalls, SharedStateError } from "../../domain/shared-calls.ts";
import type { LiveCall } from "../live-call.ts";
import type { CallHandle } from "../ports.ts";
import { LaterCall, stateUnreachable } from "./claimed-call.ts";

export type AnnouncedCallOptions = {
  readonly call: LiveCall;
  readonly shared: SharedCalls;
  /** What the stream has become meanwhile: another call of this replica has its request id. */
  readonly instead: () => CallHandle | undefined;
  readonly run: () => CallHandle;
  readonly refuse: (failure: CallFailure) => CallHandle;
};

/** Runs a stream once other replicas can find it by its cursor. */
export function announceCall(options: AnnouncedCallOptions): CallHandle {
  const later = new LaterCall(options.call);
  announce(options, later).catch((error: unknown) => {
    later.become(options.refuse(options.call.toCallFailure(error)));
  });
  return later;
}

async function announce(options: AnnouncedCallOptions, later: LaterCall): Promise<void> {
  const { call, shared, instead, run, refuse } = options;
  const { caller, id } = call.account.identity;
  try {
    await call.scope.until(shared.announce({ projectId: caller.projectId, responseId: id }));
  } catch (error) {
    const mayGoOn = error instanceof SharedStateError && shared.onStateFailure === "local";
    if (!mayGoOn) {
      const failure = error instanceof SharedStateError ? stateUnreachable(error) : call.toCallFailure(error);
      later.become(refuse(failure));
      return;
    }
  }
  // Between the answer and this nothing else runs: from here on it is known, or it is another.
  const other = instead();
  if (other === undefined) {
    later.become(run());
    return;
  }
  void shared.withdraw({ projectId: caller.projectId, responseId: id }); // Never rejects.
  later.become(other);
}
