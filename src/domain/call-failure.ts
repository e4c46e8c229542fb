// How a call ends when it does not end well: the one shape that every layer hands to `server/`, which turns it into a
// gRPC status with details. The code follows from the reason (one table, `server/status`), so it is not stored here.
import type { Attempt, ErrorReason, StreamFailure } from "../contract.ts";

export type FieldViolation = {
  /** Path of the request field, e.g. "sampling.top_p". */
  readonly field: string;
  readonly description: string;
};

export type QuotaViolation = {
  /** What ran out, e.g. "project/search". */
  readonly subject: string;
  readonly description: string;
};

export type CallFailureFacts = {
  /** Goes into `ErrorInfo.metadata`, keys in lowerCamelCase. Never content, never a secret. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** `BadRequest`. */
  readonly violations?: readonly FieldViolation[] | undefined;
  /** `QuotaFailure`. */
  readonly quota?: readonly QuotaViolation[] | undefined;
  /** `PreconditionFailure`. */
  readonly precondition?: { readonly type: string; readonly subject: string; readonly description: string } | undefined;
  /** `ResourceInfo`. */
  readonly resource?: { readonly type: string; readonly name: string } | undefined;
  /** Milliseconds; becomes `RetryInfo` and the pushback trailer. Set if and only if a retry may help. */
  readonly retryAfterMs?: number | undefined;
  /** `AttemptFailures`, at most the last eight. */
  readonly attempts?: readonly Attempt[] | undefined;
  readonly streamFailure?: StreamFailure | undefined;
  readonly cause?: unknown;
};

/** A refusal or a failure with its place in the error table of the contract. Thrown or passed; never content inside. */
export class CallFailure extends Error {
  override readonly name = "CallFailure";
  readonly reason: ErrorReason;
  readonly facts: CallFailureFacts;

  /** Without a stack: it is how a call ends, and a flood of refusals would take them. What broke is its `cause`. */
  constructor(reason: ErrorReason, message: string, facts: CallFailureFacts = {}) {
    const options = { cause: facts.cause };
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(message, options);
    Error.stackTraceLimit = stackTraceLimit;
    this.reason = reason;
    this.facts = facts;
  }
}
