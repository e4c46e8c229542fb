import { ErrorReason } from "../contract.ts";
import { CallFailure } from "../domain/call-failure.ts";

/** A payload that JSON cannot hold, e.g. an infinite number in provider options, cannot be compared. */
export function digestOf(digest: () => string): string | CallFailure {
  try {
    return digest();
  } catch (cause) {
    return new CallFailure(ErrorReason.INVALID_REQUEST, "the request holds a value that JSON has no form for", {
      violations: [{ field: "request_id", description: "needs a request whose every value has a JSON form" }],
      cause,
    });
  }
}

export function missingStart(): CallFailure {
  return new CallFailure(ErrorReason.INVALID_REQUEST, "the request is missing", {
    violations: [{ field: "request", description: "required" }],
  });
}

/** Of another version of the gateway, or a bug of ours. */
export function unreadableAnswer(): CallFailure {
  return new CallFailure(ErrorReason.INTERNAL, "the answer of another replica cannot be read");
}
