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
} from "../contract.ts";
import { CallFailure } from "../domain/call-failure.ts";
import type { CompletionFacts } from "../domain/completion.ts";
import { reasonOfFailure } from "../domain/failure-reason.ts";
import { foldEvent } from "../domain/fold.ts";
import { ProviderFailure } from "../domain/provider-failure.ts";
import type { StreamEvent } from "../domain/stream-event.ts";
import type { ChatOperation } from "../providers/provider.ts";
import { msOfDuration } from "./attempt-context.ts";
import type { OpenAttempt } from "./call-account.ts";
import { toCompleteResponse, withoutParts } from "./complete-response.ts";
import { ContinuedParts, toContinuation } from "./continuation.ts";
import type { AttemptControl } from "./hedged-race.ts";
import type { LiveCall } from "./live-call.ts";
import type { StreamSink } from "./ports.ts";
import { type CallTask, chatTask, type ReadyAttempt } from "./prepare-attempt.ts";
import { StreamRun } from "./stream-run.ts";
import { StreamWriter } from "./stream-writer.ts";

export class StreamLife {
  readonly #call: LiveCall;
  readonly #writer: StreamWriter;
  readonly #options: StreamOptions | undefined;
  readonly #sink: StreamSink;
  readonly #onWhole: ((response: CompleteResponse) => void) | undefined;
  /** Kept only for who needs them: a caller who wants them again at the end, a joined call, a continuation. */
  readonly #parts: Part[] | undefined;
  readonly #runs = new Set<StreamRun>();
  /** The attempt whose content reached the caller. */
  #speaking: StreamRun | undefined;
  /** Why the attempt that spoke last broke off. */
  #broken: ProviderFailure | undefined;
  /** What the next attempt is asked, after one broke off: the same again, or the rest. */
  #asked: CompleteRequest | undefined;

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
    const isKept = options?.repeatPartsAtEnd === true || options?.recovery === RecoveryMode.CONTINUE;
    this.#parts = isKept || onWhole !== undefined ? [] : undefined;
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
      const served = await this.#call.serve(this.#task(start), (ready, open, control) =>
        this.#attemptOnce(start, ready, open, control),
      );
      await this.#end(start, served);
    } catch (error) {
      this.#writer.close();
      const failure = await this.#call.endFailed(this.#afterContent(error));
      if (this.#call.scope.cause !== "caller") this.#sink.fail(failure);
    }
  }

  resume(): void {
    this.#writer.drained();
    for (const run of this.#runs) run.resume();
  }

  /** As any chat, but after a break only targets that can go on from the text so far are asked to. */
  #task(start: CompleteRequest): CallTask<ChatOperation> {
    const task = chatTask(start, "stream");
    return {
      ...task,
      translate: (chat, context) => {
        if (this.#asked === undefined) return task.translate(chat, context);
        if (chat.continues?.(context.model) !== true) return { kind: "unsupported", violations: [] };
        return chat.toHttpRequest(this.#asked, "stream", context);
      },
    };
  }

  async #attemptOnce(
    request: CompleteRequest,
    ready: ReadyAttempt<ChatOperation>,
    open: OpenAttempt,
    control: AttemptControl,
  ): Promise<Served> {
    if (this.#broken !== undefined) this.#recover(open);
    const run = new StreamRun(this.#call, request, ready, open, {
      claim: () => this.#claim(run, control),
      send: (event) => this.#send(event),
      flush: () => this.#writer.flush(),
      continued: this.#asked === undefined ? undefined : new ContinuedParts(this.#parts ?? []),
    });
    this.#runs.add(run);
    try {
      const facts = await run.run(control.scope);
      return { ready, facts };
    } catch (error) {
      const hasSpoken = this.#speaking === run;
      run.fail(error, hasSpoken ? this.#outcomeOfBreak() : AttemptOutcome.FAILED);
      throw hasSpoken && error instanceof ProviderFailure ? this.#onBreak(request, error) : error;
    } finally {
      this.#runs.delete(run);
    }
  }

  #claim(run: StreamRun, control: AttemptControl): boolean {
    if (!control.claim()) return false;
    this.#speaking = run;
    return true;
  }

  #send(event: StreamEvent): void {
    if (this.#parts !== undefined) foldEvent(this.#parts, event);
    this.#writer.push(event);
  }

  // ── After content was sent ────────────────────────────────────────────────────────────────────────────────────────

  #outcomeOfBreak(): AttemptOutcome {
    const recovery = this.#options?.recovery;
    if (recovery === RecoveryMode.RESTART) return AttemptOutcome.DISCARDED;
    return recovery === RecoveryMode.CONTINUE ? AttemptOutcome.CONTINUED : AttemptOutcome.FAILED;
  }

  /** What `serve` is to see: a failure that it may move on from, or one that ends the call. */
  #onBreak(request: CompleteRequest, failure: ProviderFailure): Error {
    this.#broken = failure;
    const recovery = this.#options?.recovery;
    if (recovery === RecoveryMode.RESTART) return failure;
    if (recovery === RecoveryMode.CONTINUE) this.#asked = toContinuation(request, this.#parts ?? []);
    return this.#asked === undefined ? this.#interrupted(failure) : failure;
  }

  /** Another attempt begins. Under RESTART what was sent is withdrawn. */
  #recover(open: OpenAttempt): void {
    this.#speaking = undefined;
    if (this.#asked !== undefined) return;
    if (this.#parts !== undefined) this.#parts.length = 0;
    this.#writer.push({ kind: "parts-reset", keepParts: 0, attemptNumber: open.record.number });
    this.#writer.flush();
    this.#broken = undefined;
  }

  async #end(request: CompleteRequest, served: Served): Promise<void> {
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
    if (this.#writer.sequence === 0) return error;
    const isGivenUp = this.#broken !== undefined && error instanceof CallFailure;
    const failure = isGivenUp ? this.#interrupted(this.#broken ?? error) : this.#call.toCallFailure(error);
    if (failure.facts.streamFailure !== undefined) return failure;
    return new CallFailure(failure.reason, failure.message, {
      ...failure.facts,
      streamFailure: this.#streamFailure(),
      cause: failure.cause,
    });
  }

  #interrupted(cause: ProviderFailure | CallFailure): CallFailure {
    if (cause instanceof CallFailure) return cause;
    return new CallFailure(ErrorReason.STREAM_INTERRUPTED, "the provider's stream broke after content was sent", {
      metadata: { cause: nameOfReason(cause), providerMessage: cause.facts.providerMessage ?? "" },
      retryAfterMs: cause.facts.retryAfterMs ?? 1_000,
      attempts: this.#call.account.attempts,
      cause,
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

type Served = { readonly ready: ReadyAttempt<ChatOperation>; readonly facts: CompletionFacts };

function requestOf(request: StreamCompleteRequest): CompleteRequest {
  if (request.start.case === "request") return request.start.value;
  throw new CallFailure(ErrorReason.CURSOR_EXPIRED, "the events after the cursor are no longer kept");
}

function nameOfReason(failure: ProviderFailure): string {
  return errorReasonNames[reasonOfFailure(failure.kind)] ?? "PROVIDER_UNAVAILABLE";
}

const errorReasonNames = Object.fromEntries(Object.entries(ErrorReason).map(([name, value]) => [value, name]));
