import { ErrorReason } from "../contract.ts";
import { CallFailure } from "../domain/call-failure.ts";

/**
 * The one answer to every credential that does not hold: unknown, expired, disabled, forged, malformed. It is the same in
 * all cases, so that it reveals nothing of what exists; `cause` is for the log and carries no secret.
 */
export function credentialsInvalid(cause?: unknown): CallFailure {
  return new CallFailure(ErrorReason.CREDENTIALS_INVALID, "the credential is missing, wrong or no longer valid", {
    cause,
  });
}
