// The world failed: a provider refused, broke or fell silent. A value with a kind, made in `providers/<p>/failure.ts` or
// in `upstream/`, read by `routing/` (what next?) and by `server/` (which status?). Nothing between knows HTTP or gRPC.

/** Why an attempt failed. The error table of the contract maps each kind to one `ErrorReason`. */
export type FailureKind =
  /** 400, 404, 422 and other 4xx: the provider finds the request malformed, or has no such model. */
  | "rejected-request"
  /** The input is longer than the model's context window. */
  | "context-length"
  /** The provider's filter blocked the input. */
  | "content-filtered"
  /** 413, or a media part over the provider's limit. */
  | "payload-too-large"
  /** The provider could not fetch or decode a media part. */
  | "media-unreadable"
  /** 401, 403: our key was refused. */
  | "credentials-rejected"
  /** 402, or 429 that says the account has no credit left. */
  | "quota-exhausted"
  /** 429. */
  | "rate-limited"
  /** 503, 529. */
  | "overloaded"
  /** Other 5xx, or no connection. */
  | "unavailable"
  /** Connect, first-token, idle or attempt time-out; also 408 and 504. */
  | "timeout"
  /** The answer is not what the provider's API allows: unreadable JSON, HTML, missing parts, bad frames. */
  | "bad-response"
  /** The bytes ended before the provider's own end of answer. */
  | "interrupted";

export type ProviderFailureFacts = {
  /** HTTP status; 0 when there was none. */
  readonly httpStatus?: number | undefined;
  /** How long the provider asks us to wait, in milliseconds. */
  readonly retryAfterMs?: number | undefined;
  /** The provider's own text, for the caller's `providerMessage` metadata. Never a secret. */
  readonly providerMessage?: string | undefined;
  /** The provider's own error code or type. */
  readonly providerCode?: string | undefined;
  /** The provider's id of the request. */
  readonly providerRequestId?: string | undefined;
  /** For `context-length`: tokens allowed, and tokens asked for, when the provider says. */
  readonly contextLimit?: number | undefined;
  readonly contextActual?: number | undefined;
  readonly cause?: unknown;
};

export class ProviderFailure extends Error {
  override readonly name = "ProviderFailure";
  readonly kind: FailureKind;
  readonly facts: ProviderFailureFacts;

  /** `message` is ours and may be shown; the provider's text goes into `facts.providerMessage`. */
  constructor(kind: FailureKind, message: string, facts: ProviderFailureFacts = {}) {
    super(message, { cause: facts.cause });
    this.kind = kind;
    this.facts = facts;
  }
}
