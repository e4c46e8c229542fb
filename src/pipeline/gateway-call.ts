// What an authenticated call turns into: a life of its own, or, with a request id or a cursor that is known, a reader of
// another call's answer.
import { isMessage, type Message, toBinary } from "@bufbuild/protobuf";
import {
  CacheStatus,
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
import { messageDigest, payloadDigest } from "./replay/payload-digest.ts";
import { replayAsStream } from "./replay/replay-as-stream.ts";
import type { OperationAnswer, ReplayEnd, ReplayEntry, ReplayStore } from "./replay/replay-store.ts";
import { StreamLife } from "./stream-complete.ts";
import { SpeechLife } from "./stream-speech.ts";
import { textPart } from "./text-part.ts";

export class GatewayCall implements OpenCall {
  readonly #call: LiveCall;
  readonly #replays: ReplayStore;
  readonly #isDraining: () => boolean;
  #replayedId: string | undefined;

  constructor(call: LiveCall, replays: ReplayStore, isDraining: () => boolean) {
    this.#call = call;
    this.#replays = replays;
    this.#isDraining = isDraining;
  }

  /** After a request id or a cursor was recognised: the id of the first call. */
  get responseId(): string {
    return this.#replayedId ?? this.#call.account.identity.id;
  }

  get correlationId(): string {
    return this.#call.account.identity.correlationId;
  }

  complete(request: CompleteRequest, sink: UnarySink<CompleteResponse>): CallHandle {
    const refusal = this.#refusal(request);
    if (refusal !== undefined) return this.#refuse(request, refusal, sink);
    if (request.requestId === "") {
      this.#run(complete(this.#call, request, sink), sink);
      return this.#handle();
    }
    const digest = payloadDigest(request);
    const known = this.#known(request, digest);
    if (known instanceof CallFailure) return this.#refuse(request, known, sink);
    return known === undefined ? this.#remembered(request, digest, sink) : this.#join(known, sink);
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
    const digest = start.value.requestId === "" ? "" : payloadDigest(start.value);
    const known = start.value.requestId === "" ? undefined : this.#known(start.value, digest);
    if (known instanceof CallFailure) return this.#refuse(start.value, known, sink);
    if (known !== undefined) return this.#joinStream(known, request, sink);
    return this.#broadcast(request, start.value, digest, isResumable, sink);
  }

  countTokens(request: CountTokensRequest, sink: UnarySink<CountTokensResponse>): CallHandle {
    const refusal = this.#refusal(request.request);
    if (refusal !== undefined) return this.#refuse(request.request, refusal, sink);
    this.#run(countTokens(this.#call, request, sink), sink);
    return this.#handle();
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
      this.#run(operation.run(this.#call, request, view, sink), sink);
      return this.#handle();
    }
    const digest = messageDigest(operation.requestSchema, request);
    const known = this.#known(view, digest);
    if (known instanceof CallFailure) return this.#refuse(view, known, sink);
    if (known !== undefined) return this.#joinOperation(known, operation, sink);
    return this.#rememberedOperation(operation, request, view, digest, sink);
  }

  streamSpeech(request: StreamSpeechRequest, sink: SpeechSink): CallHandle {
    const view = toCompleteRequest(request, [textPart(request.text)]);
    const refusal = this.#refusal(view);
    if (refusal !== undefined) return this.#refuse(view, refusal, sink);
    const life = new SpeechLife(this.#call, request, view, sink);
    this.#run(life.run(), sink);
    return { cancel: () => this.#call.scope.stop("caller"), resume: () => life.resume() };
  }

  reject(failure: CallFailure): void {
    void this.#call.endFailed(failure); // Never rejects: a fault of the journal is its answer.
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
    let isGone = false;
    const kept: UnarySink<Response> = {
      succeed: (response) => {
        this.#replays.ended(entry, toEnd(response));
        if (!isGone) sink.succeed(response);
      },
      fail: (failure) => {
        this.#replays.ended(entry, { kind: "failure", failure });
        if (!isGone) sink.fail(failure);
      },
    };
    this.#run(
      live(kept, () => this.#replays.ended(entry, cancelled)),
      kept,
    );
    return {
      cancel: () => {
        isGone = true;
        if (entry.waiting.length === 0) entry.stop();
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
      this.#call.scope.stop("caller");
      broadcast.fail(cancelled.failure);
    };
    entry.resume = () => life.resume();
    broadcast.attach(sink, 0);
    this.#run(life.run(start), broadcast);
    return this.#readerHandle(entry, sink);
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

  // ── Calls that read another call's answer: no provider, no charge, no event ───────────────────────────────────────

  #known(request: CompleteRequest, digest: string): ReplayEntry | CallFailure | undefined {
    const { caller, method } = this.#call.account.identity;
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

  #join(entry: ReplayEntry, sink: UnarySink<CompleteResponse>): CallHandle {
    return this.#joinAnswer(entry, sink, (end, wasOver) =>
      end.kind === "response" ? replayed(end.response, wasOver) : undefined,
    );
  }

  #joinOperation<Request extends Message, Response extends OperationAnswer>(
    entry: ReplayEntry,
    { responseSchema }: ServedOperation<Request, Response>,
    sink: UnarySink<Response>,
  ): CallHandle {
    return this.#joinAnswer(entry, sink, (end, wasOver) =>
      end.kind === "operation" && isMessage(end.response, responseSchema)
        ? withCacheStatus(end.response, wasOver)
        : undefined,
    );
  }

  #joinAnswer<Response>(
    entry: ReplayEntry,
    sink: UnarySink<Response>,
    toAnswer: (end: ReplayEnd, wasOver: boolean) => Response | undefined,
  ): CallHandle {
    this.#replay(entry);
    const wasOver = entry.end !== undefined;
    let isGone = false;
    this.#whenEnded(entry, (end) => {
      if (isGone) return;
      const answer = toAnswer(end, wasOver);
      if (answer !== undefined) sink.succeed(answer);
      else if (end.kind === "failure") sink.fail(end.failure);
      else sink.fail(otherMethod());
    });
    return {
      cancel: () => {
        isGone = true;
      },
      resume: () => {},
    };
  }

  #joinStream(entry: ReplayEntry, request: StreamCompleteRequest, sink: StreamSink): CallHandle {
    this.#replay(entry);
    if (entry.broadcast?.reaches(0) === true) {
      this.#replays.follow(entry, sink, 0);
      return this.#readerHandle(entry, sink);
    }
    const wasOver = entry.end !== undefined;
    let isGone = false;
    this.#whenEnded(entry, (end) => {
      if (isGone) return;
      if (end.kind === "failure") sink.fail(end.failure);
      else if (end.kind === "operation") sink.fail(otherMethod());
      else replayAsStream(replayed(end.response, wasOver), request.options?.repeatPartsAtEnd === true, sink);
    });
    return {
      cancel: () => {
        isGone = true;
      },
      resume: () => {},
    };
  }

  #resume(cursor: StreamCursor, sink: StreamSink): CallHandle {
    const { caller, method } = this.#call.account.identity;
    try {
      authoriseMethod(caller, method);
    } catch (error) {
      return this.#refuse(undefined, this.#call.toCallFailure(error), sink);
    }
    const entry = this.#replays.byResponseId(caller.projectId, cursor.responseId);
    if (entry?.broadcast?.reaches(cursor.afterSequence) !== true) {
      const gone = new CallFailure(ErrorReason.CURSOR_EXPIRED, "the events after the cursor are not kept");
      return this.#refuse(undefined, gone, sink);
    }
    this.#replay(entry);
    this.#replays.follow(entry, sink, cursor.afterSequence);
    return this.#readerHandle(entry, sink);
  }

  #replay(entry: ReplayEntry): void {
    this.#replayedId = entry.responseId;
    this.#call.dissolve();
  }

  #whenEnded(entry: ReplayEntry, hear: (end: ReplayEnd) => void): void {
    if (entry.end === undefined) entry.waiting.push(hear);
    else queueMicrotask(() => hear(entry.end ?? cancelled)); // After the handle was returned.
  }

  #readerHandle(entry: ReplayEntry, sink: StreamSink): CallHandle {
    return {
      cancel: () => entry.broadcast?.detach(sink),
      resume: () => {
        if (entry.broadcast?.drained(sink) === true) entry.resume();
      },
    };
  }

  // ── Calls that do not begin ───────────────────────────────────────────────────────────────────────────────────────

  /** While the gateway drains, a call that came over an old connection is refused, and has its event. */
  #refusal(request: CompleteRequest | undefined): CallFailure | undefined {
    if (request === undefined) return missingStart();
    if (!this.#isDraining()) return undefined;
    return new CallFailure(ErrorReason.GATEWAY_OVERLOADED, "the gateway is shutting down", { retryAfterMs: 1_000 });
  }

  #refuse(
    request: CompleteRequest | undefined,
    failure: CallFailure,
    sink: { fail(failure: CallFailure): void },
  ): CallHandle {
    if (request !== undefined) this.#call.account.request = request;
    void this.#call.endFailed(failure).then((told) => sink.fail(told)); // Never rejects, as above.
    return { cancel: () => {}, resume: () => {} };
  }

  /** The lives handle what they foresee; anything else is a bug, which must end the call and not the process. */
  #run(life: Promise<void>, sink: { fail(failure: CallFailure): void }): void {
    life.catch((error: unknown) => sink.fail(this.#call.toCallFailure(error)));
  }

  #handle(): CallHandle {
    return { cancel: () => this.#call.scope.stop("caller"), resume: () => {} };
  }
}

/** The first caller went away before there was an outcome: who joined may try again. */
const cancelled = {
  kind: "failure",
  failure: new CallFailure(ErrorReason.GATEWAY_OVERLOADED, "the call that this one joined was cancelled", {
    retryAfterMs: 0,
  }),
} as const satisfies ReplayEnd;

function missingStart(): CallFailure {
  return new CallFailure(ErrorReason.INVALID_REQUEST, "the request is missing", {
    violations: [{ field: "request", description: "required" }],
  });
}

function replayed(response: CompleteResponse, wasOver: boolean): CompleteResponse {
  return { ...response, responseCacheStatus: wasOver ? CacheStatus.REPLAYED : CacheStatus.COALESCED };
}

function withCacheStatus<Response extends OperationAnswer>(response: Response, wasOver: boolean): Response {
  const { info } = response;
  if (info === undefined) return response;
  return {
    ...response,
    info: { ...info, responseCacheStatus: wasOver ? CacheStatus.REPLAYED : CacheStatus.COALESCED },
  };
}

/** Cannot happen while the digest of a payload names its type; a caller is told rather than left waiting. */
function otherMethod(): CallFailure {
  return new CallFailure(ErrorReason.REQUEST_ID_REUSED, "the request id was used with another method");
}
