import { describe, expect, it } from "vitest";
import { ErrorReason } from "../contract.ts";
import { type FailureKind, ProviderFailure, type ProviderFailureFacts } from "../domain/provider-failure.ts";
import { type GiveUp, toCallFailure } from "./give-up.ts";
import { routingLimits as limits } from "./routing-limits.ts";

function giveUp(failures: readonly ProviderFailure[], changes: Partial<GiveUp> = {}): GiveUp {
  return { failures, because: "no-target", allUnsupported: false, healthyInMs: undefined, limits, ...changes };
}

function failure(kind: FailureKind, facts: ProviderFailureFacts = {}): ProviderFailure {
  return new ProviderFailure(kind, "failed", facts);
}

const table: Record<FailureKind, { readonly reason: ErrorReason; readonly retry: boolean }> = {
  "rejected-request": { reason: ErrorReason.PROVIDER_REJECTED_REQUEST, retry: false },
  "context-length": { reason: ErrorReason.CONTEXT_LENGTH_EXCEEDED, retry: false },
  "content-filtered": { reason: ErrorReason.PROVIDER_CONTENT_FILTERED, retry: false },
  "payload-too-large": { reason: ErrorReason.PAYLOAD_TOO_LARGE, retry: false },
  "media-unreadable": { reason: ErrorReason.MEDIA_UNREADABLE, retry: false },
  "credentials-rejected": { reason: ErrorReason.PROVIDER_CREDENTIALS_REJECTED, retry: false },
  "quota-exhausted": { reason: ErrorReason.PROVIDER_QUOTA_EXHAUSTED, retry: false },
  "rate-limited": { reason: ErrorReason.PROVIDER_RATE_LIMITED, retry: true },
  overloaded: { reason: ErrorReason.PROVIDER_OVERLOADED, retry: true },
  unavailable: { reason: ErrorReason.PROVIDER_UNAVAILABLE, retry: true },
  timeout: { reason: ErrorReason.PROVIDER_TIMEOUT, retry: true },
  "bad-response": { reason: ErrorReason.PROVIDER_BAD_RESPONSE, retry: true },
  interrupted: { reason: ErrorReason.PROVIDER_UNAVAILABLE, retry: true },
};

describe("toCallFailure", () => {
  it.each(Object.entries(table))("tells %s as the error table says", (kind, { reason, retry }) => {
    const told = toCallFailure(giveUp([failure(kind as FailureKind)]), []);
    expect(told.reason).toBe(reason);
    expect(told.facts.retryAfterMs).toBe(retry ? limits.retryAfterMsDefault : undefined);
  });

  it("names the smallest wait when every target was rate-limited", () => {
    const failures = [
      failure("rate-limited", { retryAfterMs: 9_000 }),
      failure("rate-limited", { retryAfterMs: 4_000 }),
    ];
    const told = toCallFailure(giveUp(failures), []);
    expect(told.reason).toBe(ErrorReason.PROVIDER_RATE_LIMITED);
    expect(told.facts.retryAfterMs).toBe(4_000);
  });

  it.each([
    [["rate-limited", "overloaded"], ErrorReason.PROVIDER_OVERLOADED],
    [["overloaded", "rate-limited"], ErrorReason.PROVIDER_OVERLOADED],
    [["credentials-rejected", "timeout"], ErrorReason.PROVIDER_TIMEOUT],
    [["rate-limited", "credentials-rejected"], ErrorReason.PROVIDER_RATE_LIMITED],
    [["context-length", "overloaded"], ErrorReason.PROVIDER_OVERLOADED],
    [["credentials-rejected", "rejected-request"], ErrorReason.PROVIDER_REJECTED_REQUEST],
    [["timeout", "unavailable"], ErrorReason.PROVIDER_UNAVAILABLE],
  ] as const)("of %j it tells the one that says the most", (kinds, reason) => {
    expect(toCallFailure(giveUp(kinds.map((kind) => failure(kind))), []).reason).toBe(reason);
  });

  it("passes the provider's words, the window and the attempts on", () => {
    const facts = { providerMessage: "too long", contextLimit: 8_192, contextActual: 9_000 };
    const attempts: [] = [];
    const told = toCallFailure(giveUp([failure("context-length", facts)]), attempts);
    expect(told.facts.metadata).toEqual({ providerMessage: "too long", limit: "8192", actual: "9000" });
    expect(told.facts.violations).toHaveLength(1);
    expect(told.facts.attempts).toBe(attempts);
  });

  it("says when a target is back, when nobody could be called", () => {
    const told = toCallFailure(giveUp([], { healthyInMs: 7_300 }), []);
    expect(told.reason).toBe(ErrorReason.NO_HEALTHY_TARGET);
    expect(told.facts.retryAfterMs).toBe(7_300);
  });

  it("says that the deadline left no time, without a retry", () => {
    const told = toCallFailure(giveUp([], { because: "deadline" }), []);
    expect(told.reason).toBe(ErrorReason.DEADLINE_EXCEEDED);
    expect(told.facts.retryAfterMs).toBeUndefined();
  });

  it("says that no target can express the request", () => {
    const told = toCallFailure(giveUp([], { allUnsupported: true }), []);
    expect(told.reason).toBe(ErrorReason.CAPABILITY_UNSUPPORTED);
    expect(told.facts.violations).toHaveLength(1);
  });
});
