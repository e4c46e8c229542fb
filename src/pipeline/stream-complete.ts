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
  StreamFailureSchema,
  type StreamOptions,
} from "../contract.ts";
import { CallFailure } from "../domain/call-failure.ts";
import type { CompletionFacts } from "../domain/completion.ts";
import { reasonOfFailure } from "../domain/failure-reason.ts";
import { foldEvent } from "../domain/fold.ts";
import { ProviderFailure } from "../domain/provider-failure.ts";
import type { StreamEvent } from "../domain/stream-event.ts";
import { estimateInputTokens } from "../metering/estimate-tokens.ts";
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
  readonly #onWhole: ((response: CompleteResponse) => Promise<void> | undefined) | undefined;
  /** Kept only for who needs them: a caller who wants them again at the end, a joined call, a continuation. */
  readonly #parts: Part[] | undefined;
  /** Parts that began and did not end: under CONTINUE a break leaves some, and they are grown or ended later. */
  readonly #openParts: Set<number> | undefined;
  readonly #runs = new Set<StreamRun>();
  /** The attempt whose content reached the caller. */
  #speaking: StreamRun | undefined;
  /** Why the attempt that spoke last broke off; `undefined` again once another one speaks. */
  #broken: ProviderFailure | undefined;
  /** What the next attempt is asked, after one broke off: the same again, or the rest. */
  #asked: CompleteRequest | undefined;

  /**
   * `onWhole` hears the whole answer, parts included, once it is recorded, and the stream ends when it is done with that;
   * without it the parts are not kept.
   */
  constructor(
    call: LiveCall,
    options: StreamOptions | undefined,
    sink: StreamSink,
    onWhole: ((response: CompleteResponse) => Promise<void> | undefined) | undefined,
  ) {
    this.#call = call;
    this.#options = options;
    this.#onWhole = onWhole;
    const isKept = options?.repeatPartsAtEnd === true || options?.recovery === RecoveryMode.CONTINUE;
    this.#parts = isKept || onWhole !== undefined ? [] : undefined;
    this.#openParts = options?.recovery === RecoveryMode.CONTINUE ? new Set() : undefined;
    const { heartbeatInterval, coalesceWindow } = options ?? {};
    this.#writer = new StreamWriter(sink, call.parts.clock, {
      heartbeatMs: heartbeatInterval === undefined ? call.parts.limits.heartbeatMs : msOfDuration(heartbeatInterval),
      coalesceMs: coalesceWindow === undefined ? 0 : msOfDuration(coalesceWindow),
      hiddenOutputTokens: () => this.#hiddenOutputTokens(),
      started: () => ({
        kind: "started",
        responseId: call.account.identity.id,
        createdAtMs: call.account.identity.startedMs,
        model: call.itinerary.candidates[0]?.target.model ?? "",
      }),
    });
  }

  /** Ends in exactly one of `sink.succeed` and `sink.fail`, unless the caller has gone. */
  async run(request: CompleteRequest): Promise<void> {
    try {
      await this.#call.begin(request, true);
      this.#writer.open();
      const served = await this.#call.serve(this.#task(request), (ready, open, control) =>
        this.#attemptOnce(request, ready, open, control),
      );
      await this.#end(request, served);
    } catch (error) {
      this.#writer.close();
      const failure = await this.#call.endFailed(this.#afterContent(error));
      if (this.#call.scope.cause !== "caller") this.#writer.fail(failure);
    }
  }

  /** The caller has gone. */
  cancel(): void {
    this.#writer.mute();
    this.#call.scope.stop("caller");
  }

  resume(): void {
    this.#writer.drained();
    for (const run of this.#runs) run.resume();
  }

  /** Of the attempt that speaks, or, before one does, of the last that was begun. */
  #hiddenOutputTokens(): number | undefined {
    let last: StreamRun | undefined;
    for (const run of this.#runs) {
      if (run === this.#speaking) return run.hiddenOutputTokens;
      last = run;
    }
    return last?.hiddenOutputTokens;
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
    const run = new StreamRun(this.#call, request, ready, open, {
      claim: () => this.#claim(run, open, control),
      send: (event) => this.#send(event),
      flush: () => this.#writer.flush(),
      continued: this.#asked === undefined ? undefined : this.#continuedParts(),
    });
    this.#runs.add(run);
    try {
      const facts = await run.run(control.scope);
      return { ready, facts };
    } catch (error) {
      if (this.#speaking === run && error instanceof ProviderFailure) throw this.#onBreak(request, run, error);
      run.fail(error, AttemptOutcome.FAILED);
      throw error;
    } finally {
      this.#runs.delete(run);
    }
  }

  /** The first content of an attempt has come: before it leaves, what a broken attempt sent may have to be withdrawn. */
  #claim(run: StreamRun, open: OpenAttempt, control: AttemptControl): boolean {
    if (!control.claim()) return false;
    this.#speaking = run;
    if (this.#broken !== undefined && this.#asked === undefined) {
      this.#send({ kind: "parts-reset", keepParts: 0, attemptNumber: open.record.number });
    }
    this.#broken = undefined;
    return true;
  }

  #send(event: StreamEvent): void {
    if (this.#parts !== undefined) foldEvent(this.#parts, event);
    if (this.#openParts !== undefined) {
      if (event.kind === "part-start") this.#openParts.add(event.index);
      else if (event.kind === "part-end") this.#openParts.delete(event.index);
    }
    this.#writer.push(event);
  }

  // ── After content was sent ────────────────────────────────────────────────────────────────────────────────────────

  /** What `serve` is to see: a failure that it may move on from, or one that ends the call. */
  #onBreak(request: CompleteRequest, run: StreamRun, failure: ProviderFailure): Error {
    this.#broken = failure;
    switch (this.#options?.recovery) {
      case RecoveryMode.RESTART:
        run.fail(failure, AttemptOutcome.DISCARDED);
        return failure;
      case RecoveryMode.CONTINUE:
        this.#asked = toContinuation(request, this.#parts ?? []);
        run.fail(failure, this.#asked === undefined ? AttemptOutcome.FAILED : AttemptOutcome.CONTINUED);
        if (this.#asked === undefined) return this.#interrupted(failure);
        // The next target reads what this one has written.
        this.#call.account.inputTokensEstimated = estimateInputTokens(this.#asked);
        return failure;
      default:
        run.fail(failure, AttemptOutcome.FAILED);
        return this.#interrupted(failure);
    }
  }

  #continuedParts(): ContinuedParts {
    const sent = this.#parts ?? [];
    return new ContinuedParts(sent, this.#openParts?.has(sent.length - 1) === true);
  }

  async #end(request: CompleteRequest, served: Served): Promise<void> {
    const response = toCompleteResponse(this.#call.account, {
      request,
      ready: served.ready,
      facts: served.facts,
      parts: this.#parts ?? [],
      rawResponseJson: "",
    });
    for (const index of this.#openParts ?? []) this.#send({ kind: "part-end", index });
    this.#writer.flush();
    await this.#call.end(Outcome.SUCCEEDED, undefined);
    const handed = this.#onWhole?.(response);
    if (handed !== undefined) await handed;
    this.#writer.succeed(this.#options?.repeatPartsAtEnd === true ? response : withoutParts(response));
  }

  /** After content, whatever ended the stream carries how far it got. */
  #afterContent(error: unknown): unknown {
    if (this.#writer.sequence === 0) return error;
    const broken = this.#broken; // Nobody took over: that routing gave up tells less than why the stream broke.
    const isGivenUp =
      broken !== undefined && error instanceof CallFailure && error.reason !== ErrorReason.BUDGET_EXHAUSTED;
    const failure = isGivenUp ? this.#interrupted(broken) : this.#call.toCallFailure(error);
    return new CallFailure(failure.reason, failure.message, {
      ...failure.facts,
      streamFailure: this.#streamFailure(),
      cause: failure.cause,
    });
  }

  #interrupted(cause: ProviderFailure): CallFailure {
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

function nameOfReason(failure: ProviderFailure): string {
  return errorReasonNames[reasonOfFailure(failure.kind)] ?? "PROVIDER_UNAVAILABLE";
}

const errorReasonNames = Object.fromEntries(Object.entries(ErrorReason).map(([name, value]) => [value, name]));
