// A call that first has to be found out about among replicas: it is held back until it is known whether it runs here, joins
// a call of this replica, or reads the answer of another one.
import { ErrorReason } from "../../contract.ts";
import { CallFailure } from "../../domain/call-failure.ts";
import { type Claim, type ClaimOutcome, type SharedCalls, SharedStateError } from "../../domain/shared-calls.ts";
import { Stopped } from "../call-scope.ts";
import type { LiveCall } from "../live-call.ts";
import type { CallHandle } from "../ports.ts";
import type { RemotePlace } from "./remote-call.ts";
import type { ReplayEntry } from "./replay-store.ts";

/** What a call can turn into. */
export type CallWays = {
  /** `claim` undefined: NATS cannot be asked, and the call is known to this replica alone. */
  readonly run: (claim: Claim | undefined) => CallHandle;
  readonly join: (entry: ReplayEntry) => CallHandle;
  readonly follow: (place: RemotePlace, lost: (place: RemotePlace, isUnknown: boolean) => void) => CallHandle;
  /** `undefined`: the outcome cannot be read. */
  readonly replay: (responseId: string, outcome: Uint8Array) => CallHandle | undefined;
  readonly refuse: (failure: CallFailure) => CallHandle;
};

export type ClaimedCallOptions = {
  readonly call: LiveCall;
  readonly shared: SharedCalls;
  readonly requestId: string;
  readonly digest: string;
  /** What this replica knows of the request id now. */
  readonly known: () => ReplayEntry | CallFailure | undefined;
  readonly ways: CallWays;
};

/** The request id belongs to another payload. */
export function reused(requestId: string): CallFailure {
  return new CallFailure(ErrorReason.REQUEST_ID_REUSED, "the request id was used with another payload", {
    metadata: { requestId },
  });
}

export function stateUnreachable(cause: unknown): CallFailure {
  return new CallFailure(ErrorReason.GATEWAY_OVERLOADED, "the state that replicas share cannot be reached", {
    retryAfterMs: 1_000,
    cause,
  });
}

/** The handle of a call that becomes another one later. */
export class LaterCall implements CallHandle {
  readonly #call: LiveCall;
  #inner: CallHandle | undefined;
  #isGone = false;

  constructor(call: LiveCall) {
    this.#call = call;
  }

  become(inner: CallHandle): void {
    this.#inner = inner;
    if (this.#isGone) inner.cancel();
  }

  cancel(): void {
    this.#isGone = true;
    if (this.#inner === undefined) this.#call.scope.stop("caller");
    else this.#inner.cancel();
  }

  resume(): void {
    this.#inner?.resume();
  }
}

export function claimCall(options: ClaimedCallOptions): CallHandle {
  const later = new LaterCall(options.call);
  void claim(options, later, undefined); // Never rejects.
  return later;
}

/** `lost`: the response id that its owner did not know. */
async function claim(options: ClaimedCallOptions, later: LaterCall, lost: string | undefined): Promise<void> {
  const { call, ways } = options;
  try {
    later.become(await toHandle(options, later, lost));
  } catch (error) {
    later.become(ways.refuse(call.toCallFailure(error)));
  }
}

async function toHandle(options: ClaimedCallOptions, later: LaterCall, lost: string | undefined): Promise<CallHandle> {
  const { known, ways, requestId } = options;
  const outcome = await ask(options, lost);
  // Another call of this replica may have begun meanwhile.
  const here = known();
  if (here !== undefined && outcome !== undefined) release(outcome);
  if (here instanceof CallFailure) return ways.refuse(here);
  if (here !== undefined) return ways.join(here);
  switch (outcome?.kind) {
    case undefined:
      return ways.run(undefined);
    case "ours":
      return ways.run(outcome.claim);
    case "other-payload":
      return ways.refuse(reused(requestId));
    case "over":
      return ways.replay(outcome.responseId, outcome.outcome) ?? toHandle(options, later, outcome.responseId);
    case "running":
      return ways.follow(
        outcome,
        (place, isUnknown) => void claim(options, later, isUnknown ? place.responseId : undefined),
      );
  }
}

/** `undefined`: NATS cannot be asked, and the config says to go on without. */
async function ask(options: ClaimedCallOptions, lost: string | undefined): Promise<ClaimOutcome | undefined> {
  const { call, shared, requestId, digest } = options;
  const { caller, id } = call.account.identity;
  const asked = shared.claim({ projectId: caller.projectId, requestId }, { digest, responseId: id }, lost);
  try {
    return await call.scope.until(asked);
  } catch (error) {
    // Ours all the same, when that is told after the caller has gone.
    if (error instanceof Stopped) asked.then(release, ignore);
    if (!(error instanceof SharedStateError)) throw error;
    if (shared.onStateFailure === "closed") throw stateUnreachable(error);
    return undefined;
  }
}

function release(outcome: ClaimOutcome): void {
  if (outcome.kind === "ours") void outcome.claim.release(); // Never rejects.
}

/** Nothing was claimed. */
function ignore(): void {}
