// The seam that every provider implements. Pure: no sockets, no clock, no random, no environment. A provider builds a
// value (`HttpRequest`), reads bytes or events into values, and says what a failure means; `upstream/` does the I/O.
//
// Adding a provider is one folder and one line in `load-provider.ts`.
import type {
  CompleteRequest,
  EmbedRequest,
  GenerateImagesRequest,
  ModerateRequest,
  RerankRequest,
  StreamSpeechRequest,
  TranscribeRequest,
  Usage,
  Warning,
} from "../contract.ts";
import type { FieldViolation } from "../domain/call-failure.ts";
import type { Completion, CompletionFacts } from "../domain/completion.ts";
import type { Credential } from "../domain/credential.ts";
import type { HttpHeaders, HttpRequest, HttpResponse } from "../domain/http.ts";
import type {
  Embeddings,
  GeneratedImages,
  Moderation,
  OperationFacts,
  Reranking,
  Transcript,
} from "../domain/operation-results.ts";
import type { ProviderFailure } from "../domain/provider-failure.ts";
import type { StreamEvent } from "../domain/stream-event.ts";
import type { ModelFacts } from "../domain/target.ts";
import type { WireEvent } from "../wire/wire-event.ts";

/** One entry of `providers:` in the config, as far as translation needs it. */
export type ProviderSettings = {
  readonly id: string;
  readonly kind: string;
  /** Replaces the provider's own address; the provider's own paths are appended to it. */
  readonly baseUrl?: string | undefined;
  /** Which of the provider's APIs: "chat" | "responses" | "converse" | "invoke" … */
  readonly api?: string | undefined;
  /** Row of the OpenAI-compatible table. */
  readonly dialect?: string | undefined;
  readonly apiVersion?: string | undefined;
  readonly region?: string | undefined;
  readonly project?: string | undefined;
  readonly location?: string | undefined;
  readonly publisher?: string | undefined;
};

/** Makes the provider of one config entry. Throws an `Error` with one readable line when the settings make no sense. */
export type ProviderFactory = (settings: ProviderSettings) => Provider;

/** How the bytes of a stream are cut into events; a row of `wire/framings.ts`. */
export type Framing = "sse" | "ndjson" | "aws-event-stream";

export interface Provider {
  /** `gen_ai.provider.name`, or the id of the config entry where OpenTelemetry has none. */
  readonly name: string;
  /** Names under which callers may address `provider_options`, `allowed_providers` and opaque state: id, kind, name. */
  readonly aliases: readonly string[];
  /** Adds the credential to a finished request, e.g. a header or a SigV4 signature. `nowMs`: Unix milliseconds. */
  authorise(request: HttpRequest, credential: Credential, nowMs: number): HttpRequest | Promise<HttpRequest>;
  /** What an answer with an error status means. `body` is cut to a bounded length. Never throws, whatever the body. */
  toFailure(status: number, headers: HttpHeaders, body: Uint8Array): ProviderFailure;
  readonly chat?: ChatOperation | undefined;
  /** Counting by the provider, where it counts. */
  readonly countTokens?: CountTokensOperation | undefined;
  readonly embed?: UnaryOperation<EmbedRequest, Embeddings> | undefined;
  readonly rerank?: UnaryOperation<RerankRequest, Reranking> | undefined;
  readonly moderate?: UnaryOperation<ModerateRequest, Moderation> | undefined;
  readonly generateImages?: UnaryOperation<GenerateImagesRequest, GeneratedImages> | undefined;
  readonly transcribe?: UnaryOperation<TranscribeRequest, Transcript> | undefined;
  readonly speech?: SpeechOperation | undefined;
}

/** What a translation of one request is made for. */
export type TranslationContext = {
  /** Model name to send. */
  readonly model: string;
  readonly facts: ModelFacts;
  /** What the caller's deadline leaves, for a provider that takes a word of it; `undefined`: no deadline. */
  readonly timeoutMs?: number | undefined;
};

export type Translation =
  /** `warnings` name what was left out, changed or imitated; under REJECT any PARAMETER_DROPPED refuses the target. */
  | {
      readonly kind: "request";
      readonly request: HttpRequest;
      /** More requests of the same attempt, for a list that is longer than the provider takes at once. Default: none. */
      readonly rest?: readonly HttpRequest[] | undefined;
      readonly warnings: readonly Warning[];
    }
  /** The target cannot serve this at all: another target may. */
  | { readonly kind: "unsupported"; readonly violations: readonly FieldViolation[] };

/** What reading an answer may need to know of the request. */
export type ReadContext = {
  readonly model: string;
  /** Makes ids for tool calls that come without one: `${callIdSeed}${n}`. */
  readonly callIdSeed: string;
  /** Whether `provider_metadata` is wanted (INCLUDE_OPTION_PROVIDER_METADATA). */
  readonly includeProviderMetadata: boolean;
  /** Every safety finding, not only those that acted (INCLUDE_OPTION_ALL_SAFETY_FINDINGS). */
  readonly includeAllSafetyFindings: boolean;
};

export interface ChatOperation {
  /** Framing of the stream's bytes. */
  readonly framing: Framing;
  toHttpRequest(request: CompleteRequest, mode: "unary" | "stream", context: TranslationContext): Translation;
  /** Reads a 2xx answer. Throws `ProviderFailure` when the body is no answer (also an error inside a 200). */
  fromHttpResponse(response: HttpResponse, context: ReadContext): Completion;
  createReader(context: ReadContext): EventReader;
  /** Whether the model goes on from a last ASSISTANT message instead of answering it (CAPABILITY_PREFILL). Absent: no. */
  continues?(model: string): boolean;
}

/** Reads one stream. A small state machine: events in, events of the contract out. */
export interface EventReader {
  /** Throws `ProviderFailure` when the event is an error or breaks the provider's API. */
  read(event: WireEvent): readonly StreamEvent[];
  /** True once the provider's own end was read: later bytes cannot change the answer. */
  isDone(): boolean;
  /** Called once when the bytes end, or as soon as `isDone()`: closes open parts. A missing end throws `ProviderFailure` "interrupted". */
  finish(): ReaderEnd;
  /** Counts known so far, for a stream that is cut; `undefined` when none came yet. */
  usage(): Usage | undefined;
}

export type ReaderEnd = { readonly events: readonly StreamEvent[]; readonly facts: CompletionFacts };

export interface CountTokensOperation {
  toHttpRequest(request: CompleteRequest, context: TranslationContext): Translation;
  /** Input tokens. Throws `ProviderFailure` when the body is no count. */
  fromHttpResponse(response: HttpResponse): number;
}

/** An operation that is not chat: a request, or several for a long list, and one result for each answer. */
export interface UnaryOperation<Request, Result> {
  toHttpRequest(request: Request, context: TranslationContext): Translation;
  /** Reads one 2xx answer to `request` or to a part of it. Throws `ProviderFailure` when the body is no answer. */
  fromHttpResponse(response: HttpResponse, request: Request, context: TranslationContext): Result;
}

export interface SpeechOperation {
  toHttpRequest(request: StreamSpeechRequest, context: TranslationContext): Translation;
  /** `headers`: those of the 2xx answer. */
  createReader(headers: HttpHeaders, request: StreamSpeechRequest): SpeechReader;
}

/** Reads the bytes of one spoken answer. */
export interface SpeechReader {
  /** IANA media type of the audio. */
  readonly mediaType: string;
  /** The audio in a piece of the body; may be empty. Throws `ProviderFailure` when the provider reports an error in it. */
  read(bytes: Uint8Array): readonly Uint8Array[];
  /** Called once when the bytes end. A missing end throws `ProviderFailure` "interrupted". */
  finish(): OperationFacts;
}
