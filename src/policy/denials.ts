// The refusals of admission, as the error table of the contract has them.
import { ErrorReason } from "../contract.ts";
import { CallFailure } from "../domain/call-failure.ts";
import { type LimitGate, slotWaitMs } from "./limits/limit-gate.ts";
import type { LimitRule } from "./limits/limit-rules.ts";
import type { QuotaDenial } from "./quota.ts";

/** How long a call should wait when the shared state cannot be reached. */
const unreachableWaitMs = 1_000;

export function limitDenial(gate: Pick<LimitGate, "subject" | "rule" | "isCutOff">, retryAfterMs: number): CallFailure {
  if (gate.isCutOff === true) return stateUnreachable();
  const isConcurrency = gate.rule.meter === "concurrency";
  const reason = isConcurrency ? ErrorReason.CONCURRENCY_LIMITED : ErrorReason.RATE_LIMITED;
  const message = isConcurrency ? "too many calls are in flight" : "the rate limit is reached";
  return new CallFailure(reason, message, { quota: [violationOf(gate.subject, gate.rule)], retryAfterMs });
}

export function sharedLimitDenial(subject: string, rule: LimitRule, denial: QuotaDenial, nowMs: number): CallFailure {
  if (denial.because === "unreachable") return stateUnreachable();
  return new CallFailure(ErrorReason.RATE_LIMITED, "the rate limit is reached", {
    quota: [violationOf(subject, rule)],
    retryAfterMs: Math.max(1, Math.ceil(denial.resetsAtMs - nowMs)),
  });
}

function violationOf(subject: string, { name, limit }: LimitRule): { subject: string; description: string } {
  return { subject, description: `${name} is ${limit}` };
}

/** Of a limit on calls in flight that several processes count together. */
export function slotDenial(subject: string, rule: LimitRule): CallFailure {
  return limitDenial({ subject, rule }, slotWaitMs);
}

export function budgetDenial(subject: string, budgetId: string, denial: QuotaDenial): CallFailure {
  if (denial.because === "unreachable") return stateUnreachable();
  const hasReset = Number.isFinite(denial.resetsAtMs);
  return new CallFailure(ErrorReason.BUDGET_EXHAUSTED, "the budget does not cover the call", {
    quota: [{ subject, description: `budget ${budgetId} does not cover the most that the call may cost` }],
    metadata: hasReset ? { budgetId, resetTime: new Date(denial.resetsAtMs).toISOString() } : { budgetId },
  });
}

function stateUnreachable(): CallFailure {
  return new CallFailure(ErrorReason.GATEWAY_OVERLOADED, "the shared state of limits and budgets cannot be reached", {
    retryAfterMs: unreachableWaitMs,
  });
}
