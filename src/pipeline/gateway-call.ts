// What an authenticated call turns into: a life of its own, or, with a request id or a cursor that is known, a reader of
// another call's answer.
import { type Message, toBinary } from "@bufbuild/protobuf";
import type { GenMessage } from "@bufbuild/protobuf/codegenv2";
import {
  type CompleteRequest,
  type CompleteResponse,
  type CountTokensRequest,
  type CountTokensResponse,
  ErrorReason,
  type StreamCompleteRequest,
  type StreamCursor,
  type StreamSpeechRequest,
} from "../contract.ts";
import { CallFailure } from "../domain/call-failure.ts";
import type { Claim, SharedCalls } from "../domain/shared-calls.ts";
import { authoriseMethod, mayUseModel, modelRefusal } from "../policy/authorise.ts";
import { knownHereAlone } from "./answer-warnings.ts";
import { digestOf, missingStart, unreadableAnswer } from "./call-refusals.ts";
import { Stopped } from "./call-scope.ts";
import { complete } from "./complete.ts";
import { countTokens } from "./count-tokens.ts";
import { Hearing } from "./hearing.ts";
import type { LiveCall } from "./live-call.ts";
import { toCompleteRequest } from "./operation.ts";
import { operations, type ServedOperation } from "./operations/operations.ts";
import type {
  CallHandle,
  OpenCall,
  OperationMethod,
  OperationMethods,
  SpeechSink,
  StreamSink,
  UnarySink,
} from "./ports.ts";
import { announceCall } from "./replay/announced-call.ts";
import { claimCall, reused } from "./replay/claimed-call.ts";
import { JoinedCall } from "./replay/joined-call.ts";
import { fromOutcomeBytes, toOutcomeBytes } from "./replay/outcome-bytes.ts";
import { messageDigest, payloadDigest } from "./replay/payload-digest.ts";
import { cursorExpired, RemoteCall } from "./replay/remote-call.ts";
import {
  abandoned,
  endedElsewhere,
  type OperationAnswer,
  type ReplayCall,
  type ReplayEnd,
  type ReplayEntry,
  type ReplayStore,
} from "./replay/replay-store.ts";
import { resumeElsewhere } from "./replay/resume-elsewhere.ts";
import { settle } from "./replay/settle-claim.ts";
import { StreamLife } from "./stream-complete.ts";
import { SpeechLife } from "./stream-speech.ts";
import { textPart } from "./text-part.ts";

export class GatewayCall implements OpenCall {
  readonly #call: LiveCall;
  readonly #replays: ReplayStore;
  /** `undefined`: this replica is alone. */
  readonly #shared: SharedCalls | undefined;
  readonly #isDraining: () => boolean;
  /** Id of the call whose answer this one reads. */
  #joinedId: string | undefined;

  constructor(call: LiveCall, replays: ReplayStore, shared: SharedCalls | undefined, isDraining: () => boolean) {
    this.#call = call;
    this.#replays = replays;
    this.#shared = shared;
    this.#isDraining = isDraining;
  }

  /** After a request id or a cursor was recognised: the id of the first call. */
  get responseId(): string {
    return this.#joinedId ?? this.#call.account.identity.id;
  }

  get correlationId(): string {
    return this.#call.account.identity.correlationId;
  }

  get tenant(): string {
    return this.#call.account.identity.caller.projectId;
  }

  refusalUnread(): CallFailure | undefined {
    const { account, parts } = this.#call;
    return parts.admission.refusal?.(account.identity.caller, parts.clock.nowMs());
  }

  complete(request: CompleteRequest, sink: UnarySink<CompleteResponse>): CallHandle {
    const refusal = this.#refusal(request);
    if (refusal !== undefined) return this.#refuse(request, refusal, sink);
    if (request.requestId === "") {
      return this.#runAlone((hearing) => complete(this.#call, request, hearing), sink);
    }
    const digest = digestOf(() => payloadDigest(request));
    if (digest instanceof CallFailure) return this.#refuse(request, digest, sink);
    return this.#once(request, digest, sink, {
      run: (claim) => this.#remembered(request, digest, sink, claim),
      join: (joined) => joined.complete(sink),
    });
  }

  streamComplete(request: StreamCompleteRequest, sink: StreamSink): CallHandle {
    const { start } = request;
    if (start.case === "resume") return this.#resume(start.value, sink);
    if (start.case === undefined) return this.#refuse(undefined, missingStart(), sink);
    const refusal = this.#refusal(start.value);
    if (refusal !== undefined) return this.#refuse(start.value, refusal, sink);
    const isResumable = request.options?.resumable === true;
    if (start.value.requestId === "" && !isResumable) {
      const life = new StreamLife(this.#call, request.options, sink, undefined);
      this.#run(life.run(start.value), sink);
      return { cancel: () => life.cancel(), resume: () => life.resume() };
    }
    const join = (joined: JoinedCall) => joined.streamComplete(request.options?.repeatPartsAtEnd === true, sink);
    const run = (digest: string, claim: Claim | undefined) =>
      isResumable
        ? this.#announced(start.value, digest, claim, sink, {
            run: () => this.#broadcast(request, start.value, digest, sink, claim),
            join,
          })
        : this.#broadcast(request, start.value, digest, sink, claim);
    if (start.value.requestId === "") return run("", undefined);
    const digest = digestOf(() => payloadDigest(start.value));
    if (digest instanceof CallFailure) return this.#refuse(start.value, digest, sink);
    return this.#once(start.value, digest, sink, {
      run: (claim) => run(digest, claim),
      join,
      events: sink,
    });
  }

  countTokens(request: CountTokensRequest, sink: UnarySink<CountTokensResponse>): CallHandle {
    const refusal = this.#refusal(request.request);
    if (refusal !== undefined) return this.#refuse(request.request, refusal, sink);
    return this.#runAlone((hearing) => countTokens(this.#call, request, hearing), sink);
  }

  operate<Method extends OperationMethod>(
    method: Method,
    request: OperationMethods[Method]["request"],
    sink: UnarySink<OperationMethods[Method]["response"]>,
  ): CallHandle {
    return this.#operate(operations[method], request, sink);
  }

  #operate<Request extends Message, Response extends OperationAnswer>(
    operation: ServedOperation<Request, Response>,
    request: Request,
    sink: UnarySink<Response>,
  ): CallHandle {
    const view = operation.toView(request);
    const refusal = this.#refusal(view);
    if (refusal !== undefined) return this.#refuse(view, refusal, sink);
    if (view.requestId === "") {
      return this.#runAlone((hearing) => operation.run(this.#call, request, view, hearing), sink);
    }
    const digest = digestOf(() => messageDigest(operation.requestSchema, request));
    if (digest instanceof CallFailure) return this.#refuse(view, digest, sink);
    return this.#once(view, digest, sink, {
      run: (claim) => this.#rememberedOperation(operation, request, view, digest, sink, claim),
      join: (joined) => joined.operate(operation, sink),
      answerSchema: operation.responseSchema,
    });
  }

  streamSpeech(request: StreamSpeechRequest, sink: SpeechSink): CallHandle {
    const view = toCompleteRequest(request, [textPart(request.text)]);
    const refusal = this.#refusal(view);
    if (refusal !== undefined) return this.#refuse(view, refusal, sink);
    const life = new SpeechLife(this.#call, request, view, sink);
    this.#run(life.run(), sink);
    return { cancel: () => life.cancel(), resume: () => life.resume() };
  }

  reject(failure: CallFailure): Promise<CallFailure> {
    return this.#call.endFailed(failure); // Never rejects: a fault of the journal is its answer.
  }

  // ── Calls that have a life of their own ───────────────────────────────────────────────────────────────────────────

  #remembered(
    request: CompleteRequest,
    digest: string,
    sink: UnarySink<CompleteResponse>,
    claim: Claim | undefined,
  ): CallHandle {
    return this.#keptFor(
      this.#begin({ requestId: request.requestId, digest, streaming: false, resumable: false }, claim),
      sink,
      claim,
      (response) => ({ kind: "response", response }),
      (kept, onCancelled) => complete(this.#call, request, kept, onCancelled),
    );
  }

  #rememberedOperation<Request extends Message, Response extends OperationAnswer>(
    operation: ServedOperation<Request, Response>,
    request: Request,
    view: CompleteRequest,
    digest: string,
    sink: UnarySink<Response>,
    claim: Claim | undefined,
  ): CallHandle {
    const { responseSchema: answerSchema } = operation;
    return this.#keptFor(
      this.#begin({ requestId: view.requestId, digest, streaming: false, resumable: false, answerSchema }, claim),
      sink,
      claim,
      (response) => ({ kind: "operation", response, bytes: toBinary(answerSchema, response).length }),
      (kept, onCancelled) => operation.run(this.#call, request, view, kept, onCancelled),
    );
  }

  /** A unary call whose answer is kept for its request id. */
  #keptFor<Response>(
    entry: ReplayEntry,
    sink: UnarySink<Response>,
    claim: Claim | undefined,
    toEnd: (response: Response) => ReplayEnd,
    live: (kept: UnarySink<Response>, onCancelled: () => void) => Promise<void>,
  ): CallHandle {
    entry.stop = () => this.#call.scope.stop("caller");
    const hearing = new Hearing(sink);
    const kept: UnarySink<Response> = {
      succeed: (response) => {
        const end = toEnd(response);
        const tell = (): void => {
          this.#replays.ended(entry, end);
          hearing.succeed(response);
        };
        if (claim === undefined) tell();
        else void claim.keep(toOutcomeBytes(end, entry.answerSchema)).then(tell); // Never rejects.
      },
      fail: (failure) => {
        this.#replays.ended(entry, { kind: "failure", failure });
        hearing.fail(failure);
      },
    };
    this.#run(
      live(kept, () => this.#replays.ended(entry, abandoned)),
      kept,
    );
    return {
      cancel: () => {
        hearing.stop();
        this.#replays.disown(entry);
      },
      resume: () => {},
    };
  }

  /** A stream that others may read too: by its request id, or by a cursor after the connection was lost. */
  #broadcast(
    request: StreamCompleteRequest,
    start: CompleteRequest,
    digest: string,
    sink: StreamSink,
    claim: Claim | undefined,
  ): CallHandle {
    const resumable = request.options?.resumable === true;
    const entry = this.#begin({ requestId: start.requestId, digest, streaming: true, resumable }, claim);
    const { broadcast } = entry;
    if (broadcast === undefined) throw new Error("a stream is remembered without its events");
    const onWhole = (response: CompleteResponse): Promise<void> | undefined => {
      const end: ReplayEnd = { kind: "response", response };
      if (claim !== undefined) return claim.keep(toOutcomeBytes(end)).then(() => this.#replays.ended(entry, end));
      this.#replays.ended(entry, end);
      return undefined;
    };
    const life = new StreamLife(this.#call, request.options, broadcast, onWhole);
    entry.stop = () => {
      // False: the call is over, and its outcome is on its way.
      if (this.#call.scope.stop("caller")) broadcast.fail(abandoned.failure);
    };
    entry.resume = () => life.resume();
    broadcast.attach(sink, 0);
    this.#run(life.run(start), broadcast);
    return {
      cancel: () => broadcast.detach(sink),
      resume: () => {
        if (broadcast.drained(sink)) entry.resume();
      },
    };
  }

  /** A stream that another replica may be asked to resume: it begins when that replica can find it. */
  #announced(
    start: CompleteRequest,
    digest: string,
    claim: Claim | undefined,
    sink: FailureSink,
    { run, join }: { run(): CallHandle; join(joined: JoinedCall): CallHandle },
  ): CallHandle {
    if (this.#shared === undefined) return run();
    const refuse = (failure: CallFailure): CallHandle => {
      void claim?.release(); // Never rejects.
      return this.#refuse(start, failure, sink);
    };
    return announceCall({
      call: this.#call,
      shared: this.#shared,
      run,
      refuse,
      instead: () => {
        const known = start.requestId === "" ? undefined : this.#known(start, digest);
        if (known === undefined) return undefined;
        if (known instanceof CallFailure) return refuse(known);
        void claim?.release(); // Never rejects.
        return join(this.#join(known));
      },
    });
  }

  #begin(call: Omit<ReplayCall, "projectId" | "responseId" | "onEnded">, claim: Claim | undefined): ReplayEntry {
    const { caller, id } = this.#call.account.identity;
    this.#joinedId = undefined;
    const onEnded = settle(claim, call.resumable ? this.#shared : undefined, this.#replays.resumeWindowMs);
    return this.#replays.begin({ ...call, projectId: caller.projectId, responseId: id, onEnded });
  }

  // ── Calls that read another call's answer ─────────────────────────────────────────────────────────────────────────

  /** A call with a request id: it is made unless it was made, here or at another replica. */
  #once(request: CompleteRequest, digest: string, sink: FailureSink, once: Once): CallHandle {
    const known = this.#known(request, digest);
    if (known instanceof CallFailure) return this.#refuse(request, known, sink);
    if (known !== undefined) return once.join(this.#join(known));
    if (this.#shared === undefined) return once.run(undefined);
    const shared = this.#shared;
    const elsewhere = (responseId: string, outcome: Uint8Array, isReplay: boolean): CallHandle | undefined => {
      const end = fromOutcomeBytes(outcome, once.answerSchema);
      return end && once.join(this.#join(this.#endedElsewhere(request, digest, responseId, end), isReplay));
    };
    const { id } = this.#call.account.identity;
    this.#replays.expect(id);
    return claimCall({
      call: this.#call,
      shared,
      requestId: request.requestId,
      digest,
      known: () => this.#known(request, digest),
      ways: {
        run: (claim) => {
          if (claim === undefined) this.#call.account.notices = [knownHereAlone()];
          return once.run(claim);
        },
        join: (entry) => once.join(this.#join(entry)),
        replay: (responseId, outcome) => elsewhere(responseId, outcome, true),
        refuse: (failure) => this.#refuse(request, failure, sink),
        follow: (place, lost) => {
          this.#joinedId = place.responseId;
          this.#replays.unexpect(id);
          return new RemoteCall({
            call: this.#call,
            shared,
            place,
            want: once.events === undefined ? "outcome" : "events",
            after: 0,
            listener: {
              events: once.events,
              outcome: (bytes, isReplay) => {
                if (elsewhere(place.responseId, bytes, isReplay) === undefined) sink.fail(unreadableAnswer());
              },
              fail: (failure) => sink.fail(failure),
              lost: (where, isUnknown) => {
                this.#replays.expect(id);
                lost(where, isUnknown);
              },
            },
          });
        },
      },
    });
  }

  #known(request: CompleteRequest, digest: string): ReplayEntry | CallFailure | undefined {
    const { account, scope } = this.#call;
    const { caller, method } = account.identity;
    if (scope.cause !== undefined) return this.#call.toCallFailure(new Stopped(scope.cause));
    try {
      authoriseMethod(caller, method);
    } catch (error) {
      return this.#call.toCallFailure(error);
    }
    if (!mayUseModel(caller, request.model)) return modelRefusal(caller, request.model);
    const entry = this.#replays.byRequestId(caller.projectId, request.requestId);
    return entry === undefined || entry.digest === digest ? entry : reused(request.requestId);
  }

  #join(entry: ReplayEntry, isReplay?: boolean): JoinedCall {
    this.#replays.unexpect(this.#call.account.identity.id);
    this.#joinedId = entry.responseId;
    return new JoinedCall(this.#call, this.#replays, entry, isReplay);
  }

  #endedElsewhere({ requestId }: CompleteRequest, digest: string, responseId: string, end: ReplayEnd): ReplayEntry {
    const { projectId } = this.#call.account.identity.caller;
    return endedElsewhere({ projectId, requestId, responseId, digest, streaming: false, resumable: false }, end);
  }

  #resume(cursor: StreamCursor, sink: StreamSink): CallHandle {
    const { account, scope } = this.#call;
    const { caller, method } = account.identity;
    try {
      scope.throwIfStopped();
      authoriseMethod(caller, method);
    } catch (error) {
      return this.#refuse(undefined, this.#call.toCallFailure(error), sink);
    }
    const entry = this.#replays.byResponseId(caller.projectId, cursor.responseId);
    if (entry?.broadcast?.reaches(cursor.afterSequence) === true) {
      return this.#join(entry).resume(cursor.afterSequence, sink);
    }
    const refuse = (failure: CallFailure): CallHandle => this.#refuse(undefined, failure, sink);
    if (entry !== undefined || this.#shared === undefined) return refuse(cursorExpired());
    this.#joinedId = cursor.responseId;
    return resumeElsewhere({ call: this.#call, shared: this.#shared, cursor, sink, refuse });
  }

  // ── Calls that do not begin ───────────────────────────────────────────────────────────────────────────────────────

  /** While the gateway drains, a call that came over an old connection is refused, and has its event. */
  #refusal(request: CompleteRequest | undefined): CallFailure | undefined {
    if (request === undefined) return missingStart();
    if (!this.#isDraining()) return undefined;
    return new CallFailure(ErrorReason.GATEWAY_OVERLOADED, "the gateway is shutting down", { retryAfterMs: 1_000 });
  }

  #refuse(request: CompleteRequest | undefined, failure: CallFailure, sink: FailureSink): CallHandle {
    this.#replays.unexpect(this.#call.account.identity.id);
    if (request !== undefined) this.#call.account.request = request;
    let isGone = false;
    void this.#call.endFailed(failure).then((told) => {
      if (!isGone) sink.fail(told);
    }); // Never rejects, as above.
    return {
      cancel: () => {
        isGone = true;
      },
      resume: () => {},
    };
  }

  /** The lives handle what they foresee; anything else is a bug, which must end the call and not the process. */
  #run(life: Promise<void>, sink: FailureSink): void {
    life.catch(async (error: unknown) => sink.fail(await this.#call.endFailed(error)));
  }

  /** Of a unary call whose answer nobody else waits for. */
  #runAlone<Response>(life: (sink: UnarySink<Response>) => Promise<void>, sink: UnarySink<Response>): CallHandle {
    const hearing = new Hearing(sink);
    this.#run(life(hearing), hearing);
    return {
      cancel: () => {
        hearing.stop();
        this.#call.scope.stop("caller");
      },
      resume: () => {},
    };
  }
}

/** What a call with a request id can turn into. */
type Once = {
  readonly run: (claim: Claim | undefined) => CallHandle;
  readonly join: (joined: JoinedCall) => CallHandle;
  /** Where the events of a stream go; absent: only the outcome is wanted. */
  readonly events?: StreamSink;
  readonly answerSchema?: GenMessage<OperationAnswer>;
};

type FailureSink = { fail(failure: CallFailure): void };
