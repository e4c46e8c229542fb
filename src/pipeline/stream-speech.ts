// The life of streamed speech. As `stream-complete.ts`, with bytes in place of events: nothing leaves before the first
// audio, so that a failure until then moves on to the next target unseen; after it, a break ends the call.
import { create } from "@bufbuild/protobuf";
import {
  AttemptOutcome,
  type CompleteRequest,
  ErrorReason,
  FinishReason,
  Outcome,
  StreamFailureSchema,
  type StreamSpeechRequest,
  StreamSpeechResponseSchema,
  type Usage,
  UsageSchema,
} from "../contract.ts";
import { CallFailure } from "../domain/call-failure.ts";
import type { OperationFacts } from "../domain/operation-results.ts";
import { ProviderFailure } from "../domain/provider-failure.ts";
import type { SpeechOperation, TranslationContext } from "../providers/provider.ts";
import { timeLimits } from "./attempt-context.ts";
import type { OpenAttempt } from "./call-account.ts";
import { estimateOperation } from "./estimate-operation.ts";
import { hasConsumed } from "./has-consumed.ts";
import type { LiveCall } from "./live-call.ts";
import { inOperationWords } from "./operation-field.ts";
import type { SpeechSink } from "./ports.ts";
import type { ReadyAttempt } from "./prepare-attempt.ts";
import { requestIdIgnored, toResponseInfo } from "./response-info.ts";
import { SpeechAttempt } from "./speech-attempt.ts";

type Served = { readonly ready: ReadyAttempt; readonly facts: OperationFacts };

/** Stands in for the sink of a caller who has gone. */
const silence: SpeechSink = { push() {}, flush: () => true, succeed() {}, fail() {} };

export class SpeechLife {
  readonly #call: LiveCall;
  readonly #request: StreamSpeechRequest;
  readonly #view: CompleteRequest;
  #sink: SpeechSink;
  #attempt: SpeechAttempt | undefined;
  #pieces = 0;

  /** `view`: the request as `toCompleteRequest` gives it. */
  constructor(call: LiveCall, request: StreamSpeechRequest, view: CompleteRequest, sink: SpeechSink) {
    this.#call = call;
    this.#request = request;
    this.#view = view;
    this.#sink = sink;
  }

  /** Ends in exactly one of `sink.succeed` and `sink.fail`, unless the caller has gone. */
  async run(): Promise<void> {
    try {
      await this.#call.begin(this.#view, true, () => unitsMost(this.#request, this.#call.account.inputTokensEstimated));
      const task = {
        isStrict: false,
        operationOf: ({ speech }: { readonly speech?: SpeechOperation | undefined }) => speech,
        translate: (speech: SpeechOperation, context: TranslationContext) =>
          speech.toHttpRequest(this.#request, context),
      };
      const { ready, facts } = await this.#call.serve(task, (one, open) => this.#attemptOnce(one, open));
      const warnings = [...facts.warnings, ...requestIdIgnored(this.#view)];
      const info = toResponseInfo(this.#call.account, this.#view, ready, warnings);
      await this.#call.end(Outcome.SUCCEEDED, undefined);
      this.#sink.push(create(StreamSpeechResponseSchema, { info }));
      this.#sink.flush();
      this.#sink.succeed();
    } catch (error) {
      const failure = await this.#call.endFailed(this.#afterAudio(inOperationWords(error, "text")));
      if (this.#call.scope.cause !== "caller") this.#sink.fail(failure);
    }
  }

  /** The caller has gone: it hears nothing more. */
  cancel(): void {
    this.#sink = silence;
    this.#call.scope.stop("caller");
  }

  resume(): void {
    this.#attempt?.resume();
  }

  async #attemptOnce(ready: ReadyAttempt<SpeechOperation>, open: OpenAttempt): Promise<Served> {
    const { parts, scope, account } = this.#call;
    const limits = timeLimits(ready, this.#view, "stream");
    const attempt = new SpeechAttempt(parts, ready, this.#request, limits, {
      audio: (data, mediaType) => this.#send(data, mediaType, open),
      flush: () => this.#sink.flush(),
    });
    this.#attempt = attempt;
    try {
      const facts = await attempt.run(scope);
      account.endAttempt(open, {
        outcome: AttemptOutcome.SERVED,
        httpStatus: attempt.seen.status,
        headers: attempt.seen.headers,
        usage: facts.usage ?? this.#estimate(ready),
        facts: { responseModel: facts.responseModel, serviceTier: "", finishReason: FinishReason.UNSPECIFIED },
      });
      this.#call.attemptServed(ready, open, attempt.seen);
      return { ready, facts };
    } catch (error) {
      const hasSpoken = this.#pieces > 0 || hasConsumed(error, attempt.seen);
      this.#call.attemptFailed(ready, open, error, attempt.seen, hasSpoken ? this.#estimate(ready) : undefined);
      throw this.#pieces > 0 && error instanceof ProviderFailure ? this.#interrupted(error) : error;
    } finally {
      this.#attempt = undefined;
    }
  }

  #send(data: Uint8Array, mediaType: string, open: OpenAttempt): void {
    if (this.#pieces === 0) this.#call.account.contentSeen(open);
    this.#sink.push(create(StreamSpeechResponseSchema, { data, mediaType: this.#pieces === 0 ? mediaType : "" }));
    this.#pieces += 1;
  }

  /** Speech is billed by what is to be spoken, so a stream that was cut costs as much as one that ended. */
  #estimate(ready: ReadyAttempt): Usage | undefined {
    return estimateOperation(this.#call, ready, unitsMost(this.#request, this.#call.account.inputTokensEstimated));
  }

  #interrupted(failure: ProviderFailure): CallFailure {
    return new CallFailure(ErrorReason.STREAM_INTERRUPTED, "the provider's speech broke off after audio was sent", {
      metadata: { providerMessage: failure.facts.providerMessage ?? "" },
      retryAfterMs: failure.facts.retryAfterMs ?? 1_000,
      attempts: this.#call.account.attempts,
      cause: failure,
    });
  }

  /** After audio, whatever ended the stream says what it cost. */
  #afterAudio(error: unknown): unknown {
    if (this.#pieces === 0) return error;
    const failure = this.#call.toCallFailure(error);
    const { usage, cost, identity } = this.#call.account;
    const streamFailure = create(StreamFailureSchema, { responseId: identity.id });
    if (usage !== undefined) streamFailure.usage = usage;
    if (cost !== undefined) streamFailure.cost = cost;
    return new CallFailure(failure.reason, failure.message, { ...failure.facts, streamFailure, cause: failure.cause });
  }
}

/** Speech has about 1.4 audio tokens a character: 1,250 tokens and 900 characters are a minute. */
const audioTokensPerCharacter = 1.5;

function unitsMost({ text, instructions }: StreamSpeechRequest, inputTokens: number): readonly Usage[] {
  const outputTokens = Math.ceil(text.length * audioTokensPerCharacter);
  return [
    create(UsageSchema, { inputCharacters: text.length + instructions.length }),
    create(UsageSchema, { inputTokens, outputTokens, audioOutputTokens: outputTokens }),
  ];
}
