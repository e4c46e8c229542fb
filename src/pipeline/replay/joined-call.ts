// A call that reads another call's answer, known by its request id or by a cursor: no provider, no charge and no event,
// but a deadline of its own.
import { isMessage, type Message } from "@bufbuild/protobuf";
import { CacheStatus, type CompleteResponse, ErrorReason } from "../../contract.ts";
import { CallFailure } from "../../domain/call-failure.ts";
import { type StopCause, Stopped } from "../call-scope.ts";
import type { LiveCall } from "../live-call.ts";
import type { ServedOperation } from "../operations/operations.ts";
import type { CallHandle, StreamSink, UnarySink } from "../ports.ts";
import { replayAsStream } from "./replay-as-stream.ts";
import type { OperationAnswer, ReplayEnd, ReplayEntry, ReplayStore } from "./replay-store.ts";

export class JoinedCall {
  readonly #call: LiveCall;
  readonly #replays: ReplayStore;
  /** The call that is joined. */
  readonly #entry: ReplayEntry;
  /** It was over before: its answer is a replay, else it is shared. */
  readonly #wasOver: boolean;
  /** The caller has gone: it is told nothing more. */
  #isGone = false;

  constructor(call: LiveCall, replays: ReplayStore, entry: ReplayEntry, wasOver = entry.end !== undefined) {
    this.#call = call;
    this.#replays = replays;
    this.#entry = entry;
    this.#wasOver = wasOver;
    call.dissolve();
  }

  complete(sink: UnarySink<CompleteResponse>): CallHandle {
    return this.#hearAnswer(sink, (end) => (end.kind === "response" ? this.#own(end.response) : undefined));
  }

  operate<Request extends Message, Response extends OperationAnswer>(
    { responseSchema }: Pick<ServedOperation<Request, Response>, "responseSchema">,
    sink: UnarySink<Response>,
  ): CallHandle {
    return this.#hearAnswer(sink, (end) =>
      end.kind === "operation" && isMessage(end.response, responseSchema)
        ? this.#ownOperation(end.response)
        : undefined,
    );
  }

  /** The other call's events from the first one on; where there are none any more, its answer as a stream. */
  streamComplete(repeatParts: boolean, sink: StreamSink): CallHandle {
    if (this.#entry.broadcast?.reaches(0) === true) return this.#hearEvents(0, sink, (response) => this.#own(response));
    return this.#hearEnd(sink, (end) => {
      if (end.kind === "response") replayAsStream(this.#own(end.response), repeatParts, sink);
      else sink.fail(failureOf(end));
    });
  }

  /** The same stream as it was, after a cursor that it reaches. */
  resume(afterSequence: number, sink: StreamSink): CallHandle {
    return this.#hearEvents(afterSequence, sink, (response) => response);
  }

  #hearAnswer<Response>(sink: UnarySink<Response>, toAnswer: (end: ReplayEnd) => Response | undefined): CallHandle {
    return this.#hearEnd(sink, (end) => {
      const answer = toAnswer(end);
      if (answer !== undefined) sink.succeed(answer);
      else sink.fail(failureOf(end));
    });
  }

  #hearEnd(sink: FailureSink, hear: (end: ReplayEnd) => void): CallHandle {
    const { scope } = this.#call;
    const leave = this.#replays.wait(this.#entry, (end) => {
      scope.close();
      hear(end);
    });
    scope.whenStopped((cause) => this.#leave(leave, cause, sink));
    return this.#handle(() => {});
  }

  #hearEvents(
    afterSequence: number,
    sink: StreamSink,
    toOwn: (response: CompleteResponse) => CompleteResponse,
  ): CallHandle {
    const { scope } = this.#call;
    const { broadcast } = this.#entry;
    const reader: StreamSink = {
      push: (sequence, event) => {
        const isLast = event.kind === "completed";
        sink.push(sequence, isLast ? { kind: "completed", response: toOwn(event.response) } : event);
      },
      flush: () => sink.flush(),
      succeed: () => {
        scope.close();
        sink.succeed();
      },
      fail: (failure) => {
        scope.close();
        sink.fail(failure);
      },
    };
    scope.whenStopped((cause) => this.#leave(() => broadcast?.detach(reader), cause, sink));
    this.#replays.follow(this.#entry, reader, afterSequence);
    return this.#handle(() => {
      if (broadcast?.drained(reader) === true) this.#entry.resume();
    });
  }

  /** The caller has gone, or has no time left. */
  #leave(leave: () => void, cause: StopCause, sink: FailureSink): void {
    leave();
    if (!this.#isGone) sink.fail(this.#call.toCallFailure(new Stopped(cause)));
  }

  #handle(resume: () => void): CallHandle {
    return {
      cancel: () => {
        this.#isGone = true;
        this.#call.scope.stop("caller");
      },
      resume,
    };
  }

  #own(response: CompleteResponse): CompleteResponse {
    return { ...response, responseCacheStatus: this.#cacheStatus };
  }

  #ownOperation<Response extends OperationAnswer>(response: Response): Response {
    const { info } = response;
    return info === undefined ? response : { ...response, info: { ...info, responseCacheStatus: this.#cacheStatus } };
  }

  get #cacheStatus(): CacheStatus {
    return this.#wasOver ? CacheStatus.REPLAYED : CacheStatus.COALESCED;
  }
}

type FailureSink = { fail(failure: CallFailure): void };

/** An answer of another method cannot come while the digest of a payload names its type; a caller is told all the same. */
function failureOf(end: ReplayEnd): CallFailure {
  if (end.kind === "failure") return end.failure;
  return new CallFailure(ErrorReason.REQUEST_ID_REUSED, "the request id was used with another method");
}
