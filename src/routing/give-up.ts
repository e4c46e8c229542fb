// The error of a whole call, from everything that went wrong in it: the error table of the contract, section 4.
import type { Attempt } from "../contract.ts";
import { ErrorReason } from "../contract.ts";
import { CallFailure } from "../domain/call-failure.ts";
import type { FailureKind, ProviderFailure } from "../domain/provider-failure.ts";
import { ruleOf } from "./decide.ts";
import type { RoutingLimits } from "./routing-limits.ts";

export type GiveUp = {
  /** Failures of the call in order; empty when nobody was called. */
  readonly failures: readonly ProviderFailure[];
  readonly because: "attempts" | "deadline" | "no-target";
  /** Every target was found unable to express the request. */
  readonly allUnsupported: boolean;
  /** Until the first target may be called again, as far as known. */
  readonly healthyInMs: number | undefined;
  readonly limits: RoutingLimits;
};

/** `attempts`: passed on as they are. */
export function toCallFailure(giveUp: GiveUp, attempts: readonly Attempt[]): CallFailure {
  const telling = mostTelling(giveUp.failures);
  return telling === undefined ? withoutFailure(giveUp, attempts) : fromFailure(telling, giveUp, attempts);
}

function withoutFailure(giveUp: GiveUp, attempts: readonly Attempt[]): CallFailure {
  if (giveUp.allUnsupported) {
    const description = "no target of the model can express the request";
    return new CallFailure(ErrorReason.CAPABILITY_UNSUPPORTED, description, {
      violations: [{ field: "model", description }],
      attempts,
    });
  }
  if (giveUp.because === "deadline") {
    return new CallFailure(ErrorReason.DEADLINE_EXCEEDED, "the deadline leaves no time for an attempt", {
      metadata: { phase: "routing" },
      attempts,
    });
  }
  return new CallFailure(ErrorReason.NO_HEALTHY_TARGET, "every target is out of service, cooling down or busy", {
    retryAfterMs: Math.max(1, Math.ceil(giveUp.healthyInMs ?? giveUp.limits.retryAfterMsDefault)),
    attempts,
  });
}

function fromFailure(telling: ProviderFailure, giveUp: GiveUp, attempts: readonly Attempt[]): CallFailure {
  const { facts } = telling;
  const metadata: Record<string, string> = {};
  if (facts.providerMessage !== undefined) metadata["providerMessage"] = facts.providerMessage;
  if (facts.providerCode !== undefined) metadata["providerCode"] = facts.providerCode;
  if (telling.kind === "context-length") {
    if (facts.contextLimit !== undefined) metadata["limit"] = String(facts.contextLimit);
    if (facts.contextActual !== undefined) metadata["actual"] = String(facts.contextActual);
  }
  return new CallFailure(ruleOf(telling, giveUp.limits).reason, messageByKind[telling.kind], {
    metadata,
    violations: violationsOf(telling),
    precondition: preconditionOf(telling),
    retryAfterMs: isRetryable(telling.kind) ? retryAfterMs(giveUp) : undefined,
    attempts,
    cause: telling,
  });
}

/** The smallest wait that a provider named, else how long until a target is back, else the default. */
function retryAfterMs({ failures, healthyInMs, limits }: GiveUp): number {
  const named = failures.map((failure) => failure.facts.retryAfterMs).filter((wait) => wait !== undefined);
  if (named.length > 0) return Math.max(1, Math.ceil(Math.min(...named)));
  return Math.max(1, Math.ceil(Math.max(healthyInMs ?? 0, limits.retryAfterMsDefault)));
}

/**
 * A retryable failure tells the most, since the caller can act on it; among them anything but a rate limit, since "429
 * everywhere" must mean everywhere. Of the others the one that is most useful to the caller. The latest of equals.
 */
function mostTelling(failures: readonly ProviderFailure[]): ProviderFailure | undefined {
  let best: ProviderFailure | undefined;
  for (const failure of failures) {
    if (best === undefined || weightByKind[failure.kind] >= weightByKind[best.kind]) best = failure;
  }
  return best;
}

const weightByKind = {
  // Retryable.
  overloaded: 20,
  unavailable: 20,
  timeout: 20,
  "bad-response": 20,
  interrupted: 20,
  "rate-limited": 19,
  // The caller can change the request.
  "context-length": 10,
  "content-filtered": 9,
  "payload-too-large": 8,
  "media-unreadable": 7,
  "rejected-request": 6,
  // Only the operator can help.
  "quota-exhausted": 2,
  "credentials-rejected": 1,
} as const satisfies Record<FailureKind, number>;

function isRetryable(kind: FailureKind): boolean {
  return weightByKind[kind] > 10;
}

const messageByKind = {
  "rejected-request": "the provider rejected the request",
  "context-length": "the input does not fit the context window of any target",
  "content-filtered": "the provider's filter blocked the input",
  "payload-too-large": "the request is too large for the provider",
  "media-unreadable": "the provider could not read a media part",
  "credentials-rejected": "the provider refused the gateway's credentials",
  "quota-exhausted": "the gateway's account at the provider has no credit left",
  "rate-limited": "the provider's rate limit was reached",
  overloaded: "the provider is overloaded",
  unavailable: "the provider could not be reached or failed",
  timeout: "the provider did not answer in time",
  "bad-response": "the provider's answer could not be read",
  interrupted: "the provider's answer broke off",
} as const satisfies Record<FailureKind, string>;

function violationsOf({ kind }: ProviderFailure): readonly { field: string; description: string }[] | undefined {
  if (kind !== "context-length" && kind !== "payload-too-large" && kind !== "media-unreadable") return undefined;
  return [{ field: "messages", description: messageByKind[kind] }];
}

function preconditionOf({ kind }: ProviderFailure) {
  if (kind !== "content-filtered") return undefined;
  return { type: "CONTENT_FILTER", subject: "messages", description: messageByKind[kind] };
}
