// What the life of a call needs from the outside, as small interfaces. `main.ts` passes the real parts in; tests pass
// objects that satisfy them. Time is Unix milliseconds; durations are milliseconds; money is nano-USD.
import type {
  CompleteRequest,
  CompleteResponse,
  Cost,
  CountTokensRequest,
  CountTokensResponse,
  EmbedRequest,
  EmbedResponse,
  GenerateImagesRequest,
  GenerateImagesResponse,
  ModerateRequest,
  ModerateResponse,
  Price,
  RerankRequest,
  RerankResponse,
  StreamCompleteRequest,
  StreamSpeechRequest,
  StreamSpeechResponse,
  TranscribeRequest,
  TranscribeResponse,
  Usage,
  UsageEvent,
} from "../contract.ts";
import type { BudgetFallback } from "../domain/budget-fallback.ts";
import type { CallFailure } from "../domain/call-failure.ts";
import type { Credential } from "../domain/credential.ts";
import type { Caller } from "../domain/principal.ts";
import type { StreamEvent } from "../domain/stream-event.ts";
import type { ModelFacts } from "../domain/target.ts";
import type { MostConsumed } from "../metering/most-billed.ts";

// ── What `server/` calls ────────────────────────────────────────────────────────────────────────────────────────────

/** Methods that are not chat and answer once. */
export type OperationMethods = {
  readonly Embed: { readonly request: EmbedRequest; readonly response: EmbedResponse };
  readonly Rerank: { readonly request: RerankRequest; readonly response: RerankResponse };
  readonly Moderate: { readonly request: ModerateRequest; readonly response: ModerateResponse };
  readonly GenerateImages: { readonly request: GenerateImagesRequest; readonly response: GenerateImagesResponse };
  readonly Transcribe: { readonly request: TranscribeRequest; readonly response: TranscribeResponse };
};

export type OperationMethod = keyof OperationMethods;

export type InferenceMethod = "Complete" | "StreamComplete" | "CountTokens" | "StreamSpeech" | OperationMethod;

/** What is known of a call before its message was decoded. */
export type CallStart = {
  readonly method: InferenceMethod;
  /** Value of a request header, by lower-case name. */
  readonly header: (name: string) => string | undefined;
  /** Time the caller gives us, from now; `undefined`: no deadline. */
  readonly timeoutMs: number | undefined;
  /** Verified client certificate, when the socket has one. */
  readonly peer: PeerCertificate | undefined;
};

export type PeerCertificate = {
  /** Distinguished name as Node prints it, one line. */
  readonly subject: string;
  /** URI subject alternative names, e.g. "spiffe://acme/search/api". */
  readonly uris: readonly string[];
};

export interface Gateway {
  /** Authenticates, and names the call. Throws (or rejects with) `CallFailure`. Synchronous unless a token must be verified. */
  open(start: CallStart): OpenCall | Promise<OpenCall>;
}

/** An authenticated call: from here on it has exactly one usage event. Exactly one of its methods is called, once. */
export interface OpenCall {
  /** Sent as the header `llmgateway-response-id`. */
  readonly responseId: string;
  /** Sent back as `x-request-id`: the caller's, else one of ours. */
  readonly correlationId: string;
  /** Id of the caller's project: calls of different tenants begin in turn. */
  readonly tenant: string;
  /** Why the call would be refused whatever its message says; `undefined`: that depends. Takes nothing: `reject` ends it. */
  refusalUnread(): CallFailure | undefined;
  complete(request: CompleteRequest, sink: UnarySink<CompleteResponse>): CallHandle;
  streamComplete(request: StreamCompleteRequest, sink: StreamSink): CallHandle;
  countTokens(request: CountTokensRequest, sink: UnarySink<CountTokensResponse>): CallHandle;
  operate<Method extends OperationMethod>(
    method: Method,
    request: OperationMethods[Method]["request"],
    sink: UnarySink<OperationMethods[Method]["response"]>,
  ): CallHandle;
  streamSpeech(request: StreamSpeechRequest, sink: SpeechSink): CallHandle;
  /**
   * The message could not be read (bad framing, garbage, too large): the call ends without a provider. Resolves, once that
   * is on record, with what to tell the caller; never rejects.
   */
  reject(failure: CallFailure): Promise<CallFailure>;
}

/** Hears exactly one of its methods, once, unless the call was cancelled. */
export interface UnarySink<Response> {
  succeed(response: Response): void;
  fail(failure: CallFailure): void;
}

/** What a stream carries beside the parts. */
export type OutgoingEvent =
  | StreamEvent
  | { readonly kind: "started"; readonly responseId: string; readonly createdAtMs: number; readonly model: string }
  | { readonly kind: "heartbeat"; readonly hiddenOutputTokens?: number | undefined }
  | { readonly kind: "completed"; readonly response: CompleteResponse };

export interface StreamSink {
  /** Takes one event; it may stay buffered until `flush`. A heartbeat repeats the sequence before it. */
  push(sequence: number, event: OutgoingEvent): void;
  /** Sends what was pushed. False: the caller reads slowly; the pipeline stops reading until `CallHandle.resume`. */
  flush(): boolean;
  /** The stream ended well; `completed` was pushed and flushed before. */
  succeed(): void;
  fail(failure: CallFailure): void;
}

/** As `StreamSink`, for pieces of speech. */
export interface SpeechSink {
  push(piece: StreamSpeechResponse): void;
  flush(): boolean;
  succeed(): void;
  fail(failure: CallFailure): void;
}

export interface CallHandle {
  /** The caller has gone (RST, closed connection): closes the provider's connection now. The sink hears nothing more. */
  cancel(): void;
  /** The sink can take more. */
  resume(): void;
}

// ── What the pipeline calls ─────────────────────────────────────────────────────────────────────────────────────────

export interface Authenticator {
  /** Throws (or rejects with) `CallFailure` CREDENTIALS_INVALID. */
  authenticate(start: Pick<CallStart, "header" | "peer">, nowMs: number): Caller | Promise<Caller>;
}

/** Durable memory of every call (`ledger/`). */
export interface Ledger {
  /**
   * Records that a provider is about to be called; resolves when it is durable. `event` has what is known by now: ids,
   * principal, model, labels, times, estimated input tokens. Rejects with `CallFailure` GATEWAY_OVERLOADED when the
   * journal cannot take it (quota, poisoned).
   */
  start(event: UsageEvent): Promise<void>;
  /** Notes tokens so far; lazily durable. */
  progress(eventId: string, usage: Usage): void;
  /** Records the end; fills in instance, boot and sequence; resolves when durable. Rejects like `start`. */
  finish(event: UsageEvent): Promise<void>;
}

export interface Pricer {
  /** What the usage of one attempt costs at one target, for one project, at one time. */
  price(usage: Usage, at: PriceQuery): Cost;
  /**
   * Nano-USD that no bill of the call passes, whatever the consumed turns out to have been and under whichever of its tiers
   * a provider that chooses one itself serves it; `undefined`: something of it has no price.
   */
  mostBilled(most: MostConsumed, at: PriceQuery): bigint | undefined;
  /** Prices that apply, for ModelService; `undefined`: no price known. */
  prices(at: PriceQuery): { readonly prices: readonly Price[]; readonly version: string } | undefined;
}

export type PriceQuery = {
  readonly providerId: string;
  readonly providerName: string;
  readonly model: string;
  readonly projectId: string;
  readonly serviceTier: string;
  readonly atMs: number;
};

export interface Catalogue {
  /** What is known of a model; every field may be `undefined`. */
  facts(providerName: string, model: string): ModelFacts;
}

export interface CredentialStore {
  /** Synchronous while a fresh credential is held. Rejects with `ProviderFailure` credentials-rejected when it cannot be had. */
  credential(providerId: string): Credential | Promise<Credential>;
  /** The provider refused it (401, 403) or rate-limited it (429): the store may rotate to another, or reload. */
  refused(providerId: string, credential: Credential, because: "credentials-rejected" | "rate-limited"): void;
}

/** What a call may consume at most, as known before it is made. */
export type AdmissionRequest = {
  readonly caller: Caller;
  readonly endUserId: string;
  readonly model: string;
  readonly inputTokens: number;
  readonly maxOutputTokens: number;
  /** Worst case at the dearest permitted target; `undefined`: no price known. Asked only when a budget binds the call. */
  readonly worstCostNanoUsd: () => bigint | undefined;
  /** Unix milliseconds after which waiting is pointless; `undefined`: no deadline. */
  readonly deadlineMs: number | undefined;
  /** Who waits goes in this order: 2 for the service tier "priority", 0 for "flex" and "batch", 1 for all others. */
  readonly priority: number;
};

/** A budget whose fallback is the very model that the call names sends it nowhere. */
export type FindFallback = (
  caller: Caller,
  request: Pick<CompleteRequest, "model" | "endUserId">,
  nowMs: number,
) => BudgetFallback | undefined;

export interface Admission {
  /**
   * Takes from every limit and budget that applies, all or none. Throws (or rejects with) `CallFailure` RATE_LIMITED,
   * CONCURRENCY_LIMITED or BUDGET_EXHAUSTED. Synchronous while the local share suffices.
   */
  admit(request: AdmissionRequest, nowMs: number): Reservation | Promise<Reservation>;
  /** Why any call of the caller would be refused now, as far as known here; takes nothing. Absent: that is never known. */
  refusal?(caller: Caller, nowMs: number): CallFailure | undefined;
  /** The budget past whose limit a call goes to another model, as far as known here; absent: no budget does that. */
  readonly fallback?: FindFallback | undefined;
}

export interface Reservation {
  readonly reservedNanoUsd: bigint;
  /**
   * Reserves more, until `totalNanoUsd` are reserved in every budget that binds the call. Resolves with why not, and then
   * no more is reserved than before: BUDGET_EXHAUSTED, or GATEWAY_OVERLOADED when the shared state cannot be reached. One
   * at a time; absent: no budget binds the call.
   */
  readonly extend?: (totalNanoUsd: bigint, nowMs: number) => Promise<CallFailure | undefined>;
  /** Gives everything back, the request too, as if the call had not come. Called at most once, instead of `settle`. */
  cancel(nowMs: number): void;
  /** Gives back what was not used. Called exactly once, at the end of the call, unless it was cancelled. */
  settle(
    actual: { readonly inputTokens: number; readonly outputTokens: number; readonly costNanoUsd: bigint },
    nowMs: number,
  ): void;
}

/** Hears of each call when it is over; must not throw. */
export interface CallObserver {
  finished(record: CallRecord): void;
}

export type CallRecord = {
  readonly event: UsageEvent;
  readonly method: InferenceMethod;
  readonly caller: Caller;
  readonly correlationId: string;
  /** Milliseconds that the gateway itself added. */
  readonly overheadMs: number;
  /** Span of the caller that this call is part of, 16 hex digits; absent: the trace begins here. */
  readonly parentSpanId?: string | undefined;
  /** The caller's decision whether its trace is recorded; absent: none was made. */
  readonly sampled?: boolean | undefined;
};

export interface Clock {
  /** Unix milliseconds, whole. */
  nowMs(): number;
  /** Milliseconds from an arbitrary start, never going back; fractions allowed. */
  monotonicMs(): number;
}
