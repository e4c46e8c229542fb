// What a failure means for the rest of the call: one row for each kind. Nothing here knows HTTP codes of success or gRPC.
import { ErrorReason } from "../contract.ts";
import type { FailureKind, ProviderFailure } from "../domain/provider-failure.ts";
import type { RoutingLimits } from "./routing-limits.ts";

export type FailureRule = {
  /** Which other targets may cure it. */
  readonly elsewhere: "any" | "larger-window" | "other-model" | "other-provider" | "none";
  /** Whether the same target may serve the same request a little later. */
  readonly again: boolean;
  /** Over in a moment: the same target is asked again before another *model* is, though not before another target. */
  readonly brief: boolean;
  /** What the target's memory makes of it. */
  readonly blame: "circuit" | "circuit-for-long" | "cooldown" | "nothing";
  /** Reason when this failure tells the most about the call. */
  readonly reason: ErrorReason;
};

const ruleByKind = {
  "rejected-request": {
    elsewhere: "none",
    again: false,
    brief: false,
    blame: "nothing",
    reason: ErrorReason.PROVIDER_REJECTED_REQUEST,
  },
  "context-length": {
    elsewhere: "larger-window",
    again: false,
    brief: false,
    blame: "nothing",
    reason: ErrorReason.CONTEXT_LENGTH_EXCEEDED,
  },
  // The same model filters the same input everywhere; a fallback model is the operator's word that another may differ.
  "content-filtered": {
    elsewhere: "other-model",
    again: false,
    brief: false,
    blame: "nothing",
    reason: ErrorReason.PROVIDER_CONTENT_FILTERED,
  },
  // Limits on size and the ways to fetch media belong to the provider, not to the model.
  "payload-too-large": {
    elsewhere: "other-provider",
    again: false,
    brief: false,
    blame: "nothing",
    reason: ErrorReason.PAYLOAD_TOO_LARGE,
  },
  "media-unreadable": {
    elsewhere: "other-provider",
    again: false,
    brief: false,
    blame: "nothing",
    reason: ErrorReason.MEDIA_UNREADABLE,
  },
  "credentials-rejected": {
    elsewhere: "any",
    again: false,
    brief: false,
    blame: "circuit-for-long",
    reason: ErrorReason.PROVIDER_CREDENTIALS_REJECTED,
  },
  "quota-exhausted": {
    elsewhere: "any",
    again: false,
    brief: false,
    blame: "circuit-for-long",
    reason: ErrorReason.PROVIDER_QUOTA_EXHAUSTED,
  },
  "rate-limited": {
    elsewhere: "any",
    again: true,
    brief: false,
    blame: "cooldown",
    reason: ErrorReason.PROVIDER_RATE_LIMITED,
  },
  overloaded: {
    elsewhere: "any",
    again: true,
    brief: false,
    blame: "circuit",
    reason: ErrorReason.PROVIDER_OVERLOADED,
  },
  unavailable: {
    elsewhere: "any",
    again: true,
    brief: false,
    blame: "circuit",
    reason: ErrorReason.PROVIDER_UNAVAILABLE,
  },
  timeout: { elsewhere: "any", again: true, brief: false, blame: "circuit", reason: ErrorReason.PROVIDER_TIMEOUT },
  "bad-response": {
    elsewhere: "any",
    again: true,
    brief: true,
    blame: "circuit",
    reason: ErrorReason.PROVIDER_BAD_RESPONSE,
  },
  interrupted: {
    elsewhere: "any",
    again: true,
    brief: true,
    blame: "circuit",
    reason: ErrorReason.PROVIDER_UNAVAILABLE,
  },
} as const satisfies Record<FailureKind, FailureRule>;

/**
 * Statuses of "rejected-request" that say the target is set up wrongly (no such model or path) rather than that the
 * request is wrong: another target may well serve it. The target is not blamed, since a caller can provoke them too
 * (a file id that does not exist).
 */
const misconfiguredStatuses: ReadonlySet<number> = new Set([404, 405, 410]);

/** The row of this failure, with what its facts change. */
export function ruleOf(failure: ProviderFailure, limits: RoutingLimits): FailureRule {
  const rule: FailureRule = ruleByKind[failure.kind];
  const { httpStatus, retryAfterMs } = failure.facts;
  if (failure.kind === "rejected-request" && httpStatus !== undefined && misconfiguredStatuses.has(httpStatus)) {
    return { ...rule, elsewhere: "any" };
  }
  if (rule.again && retryAfterMs !== undefined && retryAfterMs <= limits.briefWaitMsMax)
    return { ...rule, brief: true };
  return rule;
}

/** What may come after a failure, as seen at one moment. */
export type Situation = {
  /** Attempts that the budget of the call still allows. */
  readonly attemptsLeft: number;
  /** A fresh target that may cure the failure is ready now. */
  readonly otherTarget: "same-model" | "other-model" | "none";
  /** Milliseconds until the same or another target may be asked; `undefined`: none may at all. */
  readonly waitMs: number | undefined;
  /** Whether that wait is for the target that just failed. */
  readonly waitIsForSame: boolean;
  /** What the deadline and `waitMsMax` leave for waiting. */
  readonly waitMsMax: number;
};

export type Decision =
  /** Wait, then ask the target that is ready first (the same one, or one that cools down). */
  | { readonly kind: "retry"; readonly afterMs: number }
  | { readonly kind: "next-target" }
  | { readonly kind: "give-up"; readonly because: "attempts" | "deadline" | "no-target" };

/** `rule`: of the latest failure; `undefined` before the first attempt. */
export function decide(rule: FailureRule | undefined, situation: Situation): Decision {
  const { attemptsLeft, otherTarget, waitMs, waitIsForSame, waitMsMax } = situation;
  if (attemptsLeft <= 0) return { kind: "give-up", because: "attempts" };
  if (waitMsMax < 0) return { kind: "give-up", because: "deadline" };
  if (otherTarget === "same-model") return { kind: "next-target" };
  const retryFits = waitMs !== undefined && waitMs <= waitMsMax;
  if (otherTarget === "other-model") {
    const brief = rule?.brief === true && waitIsForSame && retryFits;
    return brief ? { kind: "retry", afterMs: waitMs } : { kind: "next-target" };
  }
  if (retryFits) return { kind: "retry", afterMs: waitMs };
  return { kind: "give-up", because: "no-target" };
}
