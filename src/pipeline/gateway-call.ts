// What an authenticated call turns into: a life of its own, or, with a request id or a cursor that is known, a reader of
// another call's answer.
import { type Message, toBinary } from "@bufbuild/protobuf";
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
import { authoriseMethod, mayUseModel, modelRefusal } from "../policy/authorise.ts";
import { Stopped } from "./call-scope.ts";
import { complete } from "./complete.ts";
import { countTokens } from "./count-tokens.ts";
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
import { JoinedCall } from "./replay/joined-call.ts";
import { messageDigest, payloadDigest } from "./replay/payload-digest.ts";
import {
  abandoned,
  type OperationAnswer,
  type ReplayEnd,
  type ReplayEntry,
  type ReplayStore,
} from "./replay/replay-store.ts";
import { StreamLife } from "./stream-complete.ts";
import { SpeechLife } from "./stream-speech.ts";
import { textPart } from "./text-part.ts";

export class GatewayCall implements OpenCall {
  readonly #call: LiveCall;
  readonly #replays: ReplayStore;
  readonly #isDraining: () => boolean;
  /** Id of the call whose answer this one reads. */
  #joinedId: string | undefined;

  constructor(call: LiveCall, replays: ReplayStore, isDraining: () => boolean) {
    this.#call = call;
    this.#replays = replays;
    this.#isDraining = isDraining;
  }

  /** After a request id or a cursor was recognised: the id of the first call. */
  get responseId(): string {
    return this.#joinedId ?? this.#call.account.identity.id;
  }

  get correlationId(): string {
    return this.#call.account.identity.correlationId;
  }

  complete(request: CompleteRequest, sink: UnarySink<CompleteResponse>): CallHandle {
    const refusal = this.#refusal(request);
    if (refusal !== undefined) return this.#refuse(request, refusal, sink);
    if (request.requestId === "") {
      return this.#runAlone((hearing) => complete(this.#call, request, hearing), sink);
    }
    const digest = digestOf(() => payloadDigest(request));
    if (digest instanceof CallFailure) return this.#refuse(request, digest, sink);
    const known = this.#known(request, digest);
    if (known instanceof CallFailure) return this.#refuse(request, known, sink);
    return known === undefined ? this.#remembered(request, digest, sink) : this.#join(known).complete(sink);
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
    const hasRequestId = start.value.requestId !== "";
    const digest = hasRequestId ? digestOf(() => payloadDigest(start.value)) : "";
    if (digest instanceof CallFailure) return this.#refuse(start.value, digest, sink);
    const known = hasRequestId ? this.#known(start.value, digest) : undefined;
    if (known instanceof CallFailure) return this.#refuse(start.value, known, sink);
    if (known !== undefined) {
      return this.#join(known).streamComplete(request.options?.repeatPartsAtEnd === true, sink);
    }
    return this.#broadcast(request, start.value, digest, isResumable, sink);
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
    const known = this.#known(view, digest);
    if (known instanceof CallFailure) return this.#refuse(view, known, sink);
    if (known !== undefined) return this.#join(known).operate(operation, sink);
    return this.#rememberedOperation(operation, request, view, digest, sink);
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

  #remembered(request: CompleteRequest, digest: string, sink: UnarySink<CompleteResponse>): CallHandle {
    return this.#keptFor(
      request.requestId,
      digest,
      sink,
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
  ): CallHandle {
    return this.#keptFor(
      view.requestId,
      digest,
      sink,
      (response) => ({
        kind: "operation",
        response,
        bytes: toBinary(operation.responseSchema, response).length,
      }),
      (kept, onCancelled) => operation.run(this.#call, request, view, kept, onCancelled),
    );
  }

  /** A unary call whose answer is kept for its request id. */
  #keptFor<Response>(
    requestId: string,
    digest: string,
    sink: UnarySink<Response>,
    toEnd: (response: Response) => ReplayEnd,
    live: (kept: UnarySink<Response>, onCancelled: () => void) => Promise<void>,
  ): CallHandle {
    const entry = this.#begin(requestId, digest, false, false);
    entry.stop = () => this.#call.scope.stop("caller");
    const hearing = new Hearing(sink);
    const kept: UnarySink<Response> = {
      succeed: (response) => {
        this.#replays.ended(entry, toEnd(response));
        hearing.succeed(response);
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
    isResumable: boolean,
    sink: StreamSink,
  ): CallHandle {
    const entry = this.#begin(start.requestId, digest, true, isResumable);
    const { broadcast } = entry;
    if (broadcast === undefined) throw new Error("a stream is remembered without its events");
    const onWhole = (response: CompleteResponse): void => this.#replays.ended(entry, { kind: "response", response });
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

  #begin(requestId: string, digest: string, streaming: boolean, resumable: boolean): ReplayEntry {
    const { caller, id } = this.#call.account.identity;
    return this.#replays.begin({
      projectId: caller.projectId,
      requestId,
      responseId: id,
      digest,
      streaming,
      resumable,
    });
  }

  // ── Calls that read another call's answer ─────────────────────────────────────────────────────────────────────────

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
    if (entry === undefined || entry.digest === digest) return entry;
    return new CallFailure(ErrorReason.REQUEST_ID_REUSED, "the request id was used with another payload", {
      metadata: { requestId: request.requestId },
    });
  }

  #join(entry: ReplayEntry): JoinedCall {
    this.#joinedId = entry.responseId;
    return new JoinedCall(this.#call, this.#replays, entry);
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
    if (entry?.broadcast?.reaches(cursor.afterSequence) !== true) {
      const gone = new CallFailure(ErrorReason.CURSOR_EXPIRED, "the events after the cursor are not kept");
      return this.#refuse(undefined, gone, sink);
    }
    return this.#join(entry).resume(cursor.afterSequence, sink);
  }

  // ── Calls that do not begin ───────────────────────────────────────────────────────────────────────────────────────

  /** While the gateway drains, a call that came over an old connection is refused, and has its event. */
  #refusal(request: CompleteRequest | undefined): CallFailure | undefined {
    if (request === undefined) return missingStart();
    if (!this.#isDraining()) return undefined;
    return new CallFailure(ErrorReason.GATEWAY_OVERLOADED, "the gateway is shutting down", { retryAfterMs: 1_000 });
  }

  #refuse(request: CompleteRequest | undefined, failure: CallFailure, sink: FailureSink): CallHandle {
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

type FailureSink = { fail(failure: CallFailure): void };

/** Passes the answer on, unless the caller has gone meanwhile. */
class Hearing<Response> implements UnarySink<Response> {
  #sink: UnarySink<Response> | undefined;

  constructor(sink: UnarySink<Response>) {
    this.#sink = sink;
  }

  succeed(response: Response): void {
    this.#sink?.succeed(response);
  }

  fail(failure: CallFailure): void {
    this.#sink?.fail(failure);
  }

  stop(): void {
    this.#sink = undefined;
  }
}

/** A payload that JSON cannot hold, e.g. an infinite number in provider options, cannot be compared. */
function digestOf(digest: () => string): string | CallFailure {
  try {
    return digest();
  } catch (cause) {
    return new CallFailure(ErrorReason.INVALID_REQUEST, "the request holds a value that JSON has no form for", {
      violations: [{ field: "request_id", description: "needs a request whose every value has a JSON form" }],
      cause,
    });
  }
}

function missingStart(): CallFailure {
  return new CallFailure(ErrorReason.INVALID_REQUEST, "the request is missing", {
    violations: [{ field: "request", description: "required" }],
  });
}
