import type { Claim, SharedCalls } from "../../domain/shared-calls.ts";
import { toOutcomeBytes } from "./outcome-bytes.ts";
import type { ReplayEnd, ReplayEntry } from "./replay-store.ts";

/**
 * What other replicas are told when a call has ended. An answer was handed over before it was told to the caller; a failure
 * that is the outcome is handed over now, any other one frees the request id. `announced`: the cursor of a stream is
 * withdrawn when its events are not kept any more, after `resumeWindowMs`.
 */
export function settle(claim: Claim | undefined, announced: SharedCalls | undefined, resumeWindowMs: number) {
  if (claim === undefined && announced === undefined) return undefined;
  // The promises never reject.
  return (entry: ReplayEntry, end: ReplayEnd): void => {
    if (!entry.isRemembered) void claim?.release();
    else if (end.kind === "failure") void claim?.keep(toOutcomeBytes(end));
    if (announced === undefined) return;
    const { projectId, responseId } = entry;
    setTimeout(() => void announced.withdraw({ projectId, responseId }), resumeWindowMs).unref();
  };
}
