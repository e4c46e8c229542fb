import { AttemptOutcome, ErrorReason } from "../contract.ts";
import { CallFailure } from "../domain/call-failure.ts";
import type { CallAccount } from "./call-account.ts";
import type { Stopped } from "./call-scope.ts";

/** What a call that was stopped tells its caller, if that one still listens. */
export function failureOfStop(stopped: Stopped, attempts: CallAccount["attempts"]): CallFailure {
  switch (stopped.stopCause) {
    case "caller":
      return new CallFailure(ErrorReason.CANCELLED, "the caller cancelled");
    case "deadline":
      return new CallFailure(ErrorReason.DEADLINE_EXCEEDED, "the caller's deadline passed", {
        metadata: {
          phase: attempts.some(({ outcome }) => outcome !== AttemptOutcome.SKIPPED) ? "provider" : "gateway",
        },
        attempts,
      });
    case "shutdown":
    case "hedge": // Ends an attempt, never a call.
      return new CallFailure(ErrorReason.GATEWAY_OVERLOADED, "the gateway is shutting down", {
        retryAfterMs: 1_000,
        attempts,
      });
  }
}
