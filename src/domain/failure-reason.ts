import { ErrorReason } from "../contract.ts";
import type { FailureKind } from "./provider-failure.ts";

const reasonByKind = {
  "rejected-request": ErrorReason.PROVIDER_REJECTED_REQUEST,
  "context-length": ErrorReason.CONTEXT_LENGTH_EXCEEDED,
  "content-filtered": ErrorReason.PROVIDER_CONTENT_FILTERED,
  "payload-too-large": ErrorReason.PAYLOAD_TOO_LARGE,
  "media-unreadable": ErrorReason.MEDIA_UNREADABLE,
  "credentials-rejected": ErrorReason.PROVIDER_CREDENTIALS_REJECTED,
  "quota-exhausted": ErrorReason.PROVIDER_QUOTA_EXHAUSTED,
  "rate-limited": ErrorReason.PROVIDER_RATE_LIMITED,
  overloaded: ErrorReason.PROVIDER_OVERLOADED,
  unavailable: ErrorReason.PROVIDER_UNAVAILABLE,
  timeout: ErrorReason.PROVIDER_TIMEOUT,
  "bad-response": ErrorReason.PROVIDER_BAD_RESPONSE,
  // Cut before any content reached the caller; after content the whole call is STREAM_INTERRUPTED.
  interrupted: ErrorReason.PROVIDER_UNAVAILABLE,
} as const satisfies Record<FailureKind, ErrorReason>;

/** The contract's word for why an attempt failed. */
export function reasonOfFailure(kind: FailureKind): ErrorReason {
  return reasonByKind[kind];
}
