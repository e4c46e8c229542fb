import { ErrorReason } from "../contract.ts";

/** Canonical gRPC status codes (https://grpc.io/docs/guides/status-codes/). */
export const statusCode = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  aborted: 10,
  outOfRange: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

/** The error table of the contract: the code follows from the reason. */
const codeByReason = {
  [ErrorReason.UNSPECIFIED]: statusCode.internal,
  [ErrorReason.INVALID_REQUEST]: statusCode.invalidArgument,
  [ErrorReason.CONTEXT_LENGTH_EXCEEDED]: statusCode.invalidArgument,
  [ErrorReason.CAPABILITY_UNSUPPORTED]: statusCode.invalidArgument,
  [ErrorReason.PROVIDER_REJECTED_REQUEST]: statusCode.invalidArgument,
  [ErrorReason.PAYLOAD_TOO_LARGE]: statusCode.invalidArgument,
  [ErrorReason.MEDIA_UNREADABLE]: statusCode.invalidArgument,
  [ErrorReason.REQUEST_ID_REUSED]: statusCode.alreadyExists,
  [ErrorReason.CREDENTIALS_INVALID]: statusCode.unauthenticated,
  [ErrorReason.PERMISSION_DENIED]: statusCode.permissionDenied,
  [ErrorReason.MODEL_NOT_ALLOWED]: statusCode.permissionDenied,
  [ErrorReason.MODEL_NOT_FOUND]: statusCode.notFound,
  [ErrorReason.RESOURCE_NOT_FOUND]: statusCode.notFound,
  [ErrorReason.RATE_LIMITED]: statusCode.resourceExhausted,
  [ErrorReason.CONCURRENCY_LIMITED]: statusCode.resourceExhausted,
  [ErrorReason.BUDGET_EXHAUSTED]: statusCode.resourceExhausted,
  [ErrorReason.PROVIDER_RATE_LIMITED]: statusCode.resourceExhausted,
  // Our key or our credit, not the caller's: INTERNAL pages the operator, and no caller rotates a key that is right.
  [ErrorReason.PROVIDER_QUOTA_EXHAUSTED]: statusCode.internal,
  [ErrorReason.PROVIDER_CREDENTIALS_REJECTED]: statusCode.internal,
  [ErrorReason.PROVIDER_UNAVAILABLE]: statusCode.unavailable,
  [ErrorReason.PROVIDER_OVERLOADED]: statusCode.unavailable,
  [ErrorReason.PROVIDER_TIMEOUT]: statusCode.unavailable,
  [ErrorReason.PROVIDER_BAD_RESPONSE]: statusCode.unavailable,
  [ErrorReason.NO_HEALTHY_TARGET]: statusCode.unavailable,
  [ErrorReason.GATEWAY_OVERLOADED]: statusCode.unavailable,
  [ErrorReason.DEADLINE_EXCEEDED]: statusCode.deadlineExceeded,
  [ErrorReason.CANCELLED]: statusCode.cancelled,
  [ErrorReason.GUARDRAIL_BLOCKED]: statusCode.failedPrecondition,
  [ErrorReason.PROVIDER_CONTENT_FILTERED]: statusCode.failedPrecondition,
  [ErrorReason.STREAM_INTERRUPTED]: statusCode.aborted,
  [ErrorReason.CURSOR_EXPIRED]: statusCode.outOfRange,
  [ErrorReason.CONFLICT]: statusCode.aborted,
  [ErrorReason.INTERNAL]: statusCode.internal,
  [ErrorReason.FEATURE_DISABLED]: statusCode.unimplemented,
} as const satisfies Record<Exclude<ErrorReason, symbol> & (typeof ErrorReason)[keyof typeof ErrorReason], number>;

/** Canonical code of a reason; INTERNAL for a reason newer than this program. */
export function codeOfReason(reason: ErrorReason): number {
  return (codeByReason as Readonly<Record<number, number>>)[reason] ?? statusCode.internal;
}
