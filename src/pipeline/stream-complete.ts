// The life of a streamed completion. The commit protocol: events are held back until the first content, so that a failure
// before it moves on to the next target unseen; after it, the caller's `recovery` decides.

import { create } from "@bufbuild/protobuf";
import {
  AttemptOutcome,
  type CompleteRequest,
  type CompleteResponse,
  ErrorReason,
  Outcome,
  type Part,
  RecoveryMode,
  type StreamCompleteRequest,
  StreamFailureSchema,
  type StreamOptions,
  type Usage,
} from "../contract.ts";
import { CallFailure } from "../domain/call-failure.ts";
import type { CompletionFacts } from "../domain/completion.ts";
import { reasonOfFailure } from "../domain/failure-reason.ts";
import { foldEvent } from "../domain/fold.ts";
import { ProviderFailure } from "../domain/provider-failure.ts";
import type { StreamEvent } from "../domain/stream-event.ts";
import type { ChatOperation } from "../providers/provider.ts";
import { msOfDuration, readContextOf, timeLimits } from "./attempt-context.ts";
import type { OpenAttempt } from "./call-account.ts";
import { toCompleteResponse, withoutParts } from "./complete-response.ts";
import { estimateUsage } from "./estimated-usage.ts";
import type { LiveCall } from "./live-call.ts";
import type { StreamSink } from "./ports.ts";
import { chatTask, type ReadyAttempt } from "./prepare-attempt.ts";
import { StreamAttempt } from "./stream-attempt.ts";
import { StreamWriter } from "./stream-writer.ts";

export class StreamLife {
  readonly #call: LiveCall;
  readonly #writer: StreamWriter;
  readonly #options: StreamOptions | undefined;
  #attempt: StreamAttempt | undefined;
  /** Events of the current attempt before its first content. */
  #preamble: StreamEvent[] = [];
  #committed = false;
  /** Kept only when the caller wants the parts again at the end. */
  readonly #parts: Part[] | undefined;
  #served: { readonly ready: ReadyAttempt; readonly facts: CompletionFacts } | undefined;
  #outputCharacters = 0;
  #progressCharacters = 0;
  #progressMs = 0;
  #open: OpenAttempt | undefined;
  readonly #sink: StreamSink;
  readonly #onWhole: ((response: CompleteResponse) => void) | undefined;

  /** `onWhole` hears the whole answer, parts included, once it is recorded; without it the parts are not kept. */
  constructor(
    call: LiveCall,
    options: StreamOptions | undefined,
    sink: StreamSink,
    onWhole: ((response: CompleteResponse) => void) | undefined,
  ) {
    this.#call = call;
    this.#options = options;
    this.#sink = sink;
    this.#onWhole = onWhole;
    this.#parts = options?.repeatPartsAtEnd === true || onWhole !== undefined ? [] : undefined;
    const { heartbeatInterval, coalesceWindow } = options ?? {};
    this.#writer = new StreamWriter(sink, call.parts.clock, {
      heartbeatMs: heartbeatInterval === undefined ? call.parts.limits.heartbeatMs : msOfDuration(heartbeatInterval),
      coalesceMs: coalesceWindow === undefined ? 0 : msOfDuration(coalesceWindow),
      started: () => ({
        kind: "started",
        responseId: call.account.identity.id,
        createdAtMs: call.account.identity.startedMs,
        model: call.itinerary.candidates[0]?.target.model ?? "",
      }),
    });
  }

  async run(request: StreamCompleteRequest): Promise<void> {
    try {
      const start = requestOf(request);
      await this.#call.begin(start, true);
      this.#writer.open();
      await this.#call.serve(chatTask(start, "stream"), (ready, open) => this.#attemptOnce(start, ready, open));
      await this.#end(start);
    } catch (error) {
      this.#writer.close();
      const failure = await this.#call.endFailed(this.#afterContent(error));
      if (this.#call.scope.cause !== "caller") this.#sink.fail(failure);
    }
  }

  resume(): void {
    this.#writer.drained();
    this.#attempt?.resume();
  }

  async #attemptOnce(request: CompleteRequest, ready: ReadyAttempt<ChatOperation>, open: OpenAttempt): Promise<void> {
    const { parts, scope, account } = this.#call;
    this.#restart(open);
    const attempt = new StreamAttempt(
      parts,
      ready,
      readContextOf(this.#call, request, ready),
      timeLimits(ready, request, "stream"),
      { event: (event) => this.#event(event), flush: () => this.#writer.flush() },
    );
    this.#attempt = attempt;
    try {
      const facts = await attempt.run(scope);
      this.#commit();
      account.endAttempt(open, {
        outcome: AttemptOutcome.SERVED,
        httpStatus: attempt.seen.status,
        headers: attempt.seen.headers,
        usage: facts.usage ?? this.#estimate(undefined),
        facts,
      });
      this.#call.attemptServed(ready, open, attempt.seen);
      this.#served = { ready, facts };
    } catch (error) {
      this.#attemptFailed(ready, open, attempt, error);
      throw this.#recovered(error);
    } finally {
      this.#attempt = undefined;
    }
  }

  /** A new attempt after content was sent: only under RESTART, and what was sent is withdrawn. */
  #restart(open: OpenAttempt): void {
    this.#open = open;
    this.#preamble = [];
    this.#outputCharacters = 0;
    this.#progressCharacters = 0;
    if (!this.#committed) return;
    if (this.#parts !== undefined) this.#parts.length = 0;
    this.#writer.push({ kind: "parts-reset", keepParts: 0, attemptNumber: open.record.number });
    this.#writer.flush();
    this.#committed = false;
  }

  #event(event: StreamEvent): void {
    this.#count(event);
    if (this.#committed) {
      this.#send(event);
      return;
    }
    this.#preamble.push(event);
    if (isContent(event)) this.#commit();
  }

  #commit(): void {
    if (this.#committed) return;
    this.#committed = true;
    if (this.#open !== undefined) this.#call.account.contentSeen(this.#open);
    this.#attempt?.contentSeen();
    const held = this.#preamble;
    this.#preamble = [];
    for (const event of held) this.#send(event);
  }

  #send(event: StreamEvent): void {
    if (this.#parts !== undefined) foldEvent(this.#parts, event);
    this.#writer.push(event);
  }

  /** Notes progress in the journal now and then, so that a crash loses little of the count. */
  #count(event: StreamEvent): void {
    this.#outputCharacters += charactersOf(event);
    if (this.#outputCharacters - this.#progressCharacters < progressCharacters) return;
    const nowMs = this.#call.parts.clock.nowMs();
    if (
      nowMs - this.#progressMs < progressMs &&
      this.#outputCharacters - this.#progressCharacters < progressCharactersMost
    )
      return;
    this.#progressCharacters = this.#outputCharacters;
    this.#progressMs = nowMs;
    this.#call.parts.ledger.progress(this.#call.account.identity.id, this.#estimate(this.#attempt?.usage()));
  }

  #estimate(known: Usage | undefined): Usage {
    return estimateUsage(known, this.#call.account.inputTokensEstimated, this.#outputCharacters);
  }

  #attemptFailed(ready: ReadyAttempt<ChatOperation>, open: OpenAttempt, attempt: StreamAttempt, error: unknown): void {
    // Bytes of a 2xx answer mean that the provider was generating, and bills it; so does silence after the request was sent.
    const wasRefused =
      attempt.seen.status >= 300 ||
      (attempt.seen.status === 0 && error instanceof ProviderFailure && error.kind !== "timeout");
    const usage = wasRefused ? undefined : this.#estimate(attempt.usage());
    const outcome = this.#committed && this.#mayRestart() ? AttemptOutcome.DISCARDED : AttemptOutcome.FAILED;
    this.#call.attemptFailed(ready, open, error, attempt.seen, usage, outcome);
  }

  /** What `serve` is to see: a failure it may move on from, or one that ends the call. */
  #recovered(error: unknown): unknown {
    if (!this.#committed || !(error instanceof ProviderFailure) || this.#mayRestart()) return error;
    return this.#interrupted(error);
  }

  #mayRestart(): boolean {
    return this.#options?.recovery === RecoveryMode.RESTART;
  }

  async #end(request: CompleteRequest): Promise<void> {
    const served = this.#served;
    if (served === undefined) throw new Error("a stream ended without an answer");
    const response = toCompleteResponse(this.#call.account, {
      request,
      ready: served.ready,
      facts: served.facts,
      parts: this.#parts ?? [],
      rawResponseJson: "",
    });
    this.#writer.flush();
    await this.#call.end(Outcome.SUCCEEDED, undefined);
    this.#onWhole?.(response);
    this.#writer.complete(this.#options?.repeatPartsAtEnd === true ? response : withoutParts(response));
    this.#sink.succeed();
  }

  /** After content, whatever ended the stream carries how far it got. */
  #afterContent(error: unknown): unknown {
    if (!this.#committed && this.#writer.sequence === 0) return error;
    const failure = this.#call.toCallFailure(error);
    if (failure.facts.streamFailure !== undefined) return failure;
    return new CallFailure(failure.reason, failure.message, {
      ...failure.facts,
      streamFailure: this.#streamFailure(),
      cause: failure.cause,
    });
  }

  #interrupted(failure: ProviderFailure): CallFailure {
    return new CallFailure(ErrorReason.STREAM_INTERRUPTED, "the provider's stream broke after content was sent", {
      metadata: { cause: nameOfReason(failure), providerMessage: failure.facts.providerMessage ?? "" },
      retryAfterMs: failure.facts.retryAfterMs ?? 1_000,
      attempts: this.#call.account.attempts,
      cause: failure,
    });
  }

  #streamFailure() {
    const { usage, cost, identity } = this.#call.account;
    const detail = create(StreamFailureSchema, { responseId: identity.id, lastSequence: this.#writer.sequence });
    if (usage !== undefined) detail.usage = usage;
    if (cost !== undefined) detail.cost = cost;
    return detail;
  }
}

/** About 512 tokens; looked at before the clock is. */
const progressCharacters = 256;
const progressCharactersMost = 2_048;
const progressMs = 2_000;

function requestOf(request: StreamCompleteRequest): CompleteRequest {
  if (request.start.case === "request") return request.start.value;
  throw new CallFailure(ErrorReason.CURSOR_EXPIRED, "the events after the cursor are no longer kept");
}

/** Whether an event shows the caller something that cannot be taken back. A part that begins empty does not. */
function isContent(event: StreamEvent): boolean {
  if (event.kind !== "part-start") return event.kind !== "part-end";
  const { content } = event.part;
  if (content.case === "text" || content.case === "reasoning" || content.case === "refusal")
    return content.value.text !== "";
  return true;
}

function charactersOf(event: StreamEvent): number {
  switch (event.kind) {
    case "text-delta":
    case "reasoning-delta":
      return event.text.length;
    case "arguments-delta":
      return event.json.length;
    default:
      return 0;
  }
}

function nameOfReason(failure: ProviderFailure): string {
  return errorReasonNames[reasonOfFailure(failure.kind)] ?? "PROVIDER_UNAVAILABLE";
}

const errorReasonNames = Object.fromEntries(Object.entries(ErrorReason).map(([name, value]) => [value, name]));
