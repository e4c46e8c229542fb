import type { CallFailure } from "../../domain/call-failure.ts";
import { type SharedCalls, SharedStateError } from "../../domain/shared-calls.ts";
import type { LiveCall } from "../live-call.ts";
import type { CallHandle } from "../ports.ts";
import { LaterCall, stateUnreachable } from "./claimed-call.ts";

export type AnnouncedCallOptions = {
  readonly call: LiveCall;
  readonly shared: SharedCalls;
  readonly run: () => CallHandle;
  readonly refuse: (failure: CallFailure) => CallHandle;
};

/** Runs a stream once other replicas can find it by its cursor. */
export function announceCall(options: AnnouncedCallOptions): CallHandle {
  const later = new LaterCall(options.call);
  void announce(options, later); // Never rejects.
  return later;
}

async function announce({ call, shared, run, refuse }: AnnouncedCallOptions, later: LaterCall): Promise<void> {
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
  later.become(run());
}
