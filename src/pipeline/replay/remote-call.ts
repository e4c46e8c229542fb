// A call that reads the answer of a call at another replica: no provider, no charge and no event, but a deadline of its own.
// A link that breaks is made anew, after the last event that came.
import { create, fromBinary } from "@bufbuild/protobuf";
import { CacheStatus, ErrorReason, StreamCompleteResponseSchema, StreamFailureSchema } from "../../contract.ts";
import { CallFailure } from "../../domain/call-failure.ts";
import type { QuestionLink, SharedCalls } from "../../domain/shared-calls.ts";
import { fromStreamResponse } from "../../encoding/from-stream-response.ts";
import { type StopCause, Stopped } from "../call-scope.ts";
import type { LiveCall } from "../live-call.ts";
import type { CallHandle, OutgoingEvent, StreamSink } from "../ports.ts";
import { FrameReader, frameKinds } from "./answer-frames.ts";
import { stateUnreachable } from "./claimed-call.ts";
import { fromFailureBytes } from "./outcome-bytes.ts";
import { type Question, toQuestionBytes } from "./question.ts";

export type RemotePlace = { readonly owner: string; readonly responseId: string };

/** Hears exactly one end, unless the caller has gone. */
export interface RemoteListener {
  /** Where the events go; `undefined`: only the outcome is wanted. */
  readonly events: StreamSink | undefined;
  /** `isReplay`: the call was over before it was asked for. */
  outcome(bytes: Uint8Array, isReplay: boolean): void;
  fail(failure: CallFailure): void;
  /** Before anything was told: the owner does not know the call, or cannot be heard. The call is nobody's again. */
  lost(place: RemotePlace, isUnknown: boolean): void;
}

export type RemoteCallOptions = {
  readonly call: LiveCall;
  readonly shared: SharedCalls;
  readonly place: RemotePlace;
  readonly want: Question["want"];
  readonly after: number;
  readonly listener: RemoteListener;
};

/** Most bytes of an answer that comes whole: well above `PipelineLimits.responseBytesMax`, which its owner has kept to. */
const frameBytesMax = 256 << 20;

/** Between a link that broke and the next one. */
const retryMs = 250;

export function cursorExpired(): CallFailure {
  return new CallFailure(ErrorReason.CURSOR_EXPIRED, "the events after the cursor are not kept");
}

export class RemoteCall implements CallHandle {
  readonly #options: RemoteCallOptions;
  #link: QuestionLink | undefined;
  #frames: FrameReader;
  #want: Question["want"];
  /** Sequence of the last event that the caller was given. */
  #last: number;
  #isReplay = false;
  #isOver = false;
  /** The caller has gone: it is told nothing more. */
  #isGone = false;
  #isFull = false;
  /** Bytes that the owner is not told of while the caller takes nothing. */
  #untold = 0;
  #retry: NodeJS.Timeout | undefined;

  constructor(options: RemoteCallOptions) {
    this.#options = options;
    this.#want = options.want;
    this.#last = options.after;
    this.#frames = new FrameReader(frameBytesMax);
    options.call.scope.whenStopped((cause) => this.#stopped(cause));
    this.#ask();
  }

  cancel(): void {
    this.#isGone = true;
    this.#options.call.scope.stop("caller");
  }

  resume(): void {
    this.#isFull = false;
    const bytes = this.#untold;
    this.#untold = 0;
    if (bytes > 0) this.#link?.taken(bytes);
  }

  #ask(): void {
    const { shared, place, call } = this.#options;
    const question = {
      projectId: call.account.identity.caller.projectId,
      responseId: place.responseId,
      want: this.#want,
      after: this.#last,
    };
    this.#frames = new FrameReader(frameBytesMax);
    this.#untold = 0;
    try {
      this.#link = shared.ask(place.owner, toQuestionBytes(question), {
        bytes: (bytes) => this.#take(bytes),
        ended: () => this.#lost(false), // Without a last frame.
        lost: () => this.#lost(false),
      });
    } catch (cause) {
      this.#unaskable(cause); // The connection is closing.
    }
  }

  #take(bytes: Uint8Array): void {
    let hasSpoken = false;
    try {
      for (const { kind, body } of this.#frames.push(bytes)) {
        if (this.#isOver) return;
        if (kind === frameKinds.event) hasSpoken = this.#event(body) || hasSpoken;
        else this.#frame(kind, body);
      }
    } catch (cause) {
      // Of another version, or a bug at one of the two ends: a new link would bring the same.
      this.#fail(new CallFailure(ErrorReason.INTERNAL, "the answer of another replica cannot be read", { cause }));
    }
    if (this.#isOver) return;
    if (hasSpoken) this.#isFull = this.#options.listener.events?.flush() === false || this.#isFull;
    if (this.#isFull) this.#untold += bytes.length;
    else this.#link?.taken(bytes.length);
  }

  #frame(kind: number, body: Uint8Array): void {
    const { listener } = this.#options;
    switch (kind) {
      case frameKinds.accepted:
        this.#isReplay = body[0] === 1;
        return;
      case frameKinds.outcome:
        this.#end(() => listener.outcome(body, this.#isReplay));
        return;
      case frameKinds.succeeded:
        this.#end(() => {
          listener.events?.flush();
          listener.events?.succeed();
        });
        return;
      case frameKinds.failed:
        this.#fail(fromFailureBytes(body));
        return;
      case frameKinds.unknown:
        this.#lost(true);
        return;
      case frameKinds.expired:
        this.#fail(cursorExpired());
        return;
      default: // Of a later version, and not needed.
    }
  }

  /** True: something was pushed. */
  #event(body: Uint8Array): boolean {
    const message = fromBinary(StreamCompleteResponseSchema, body);
    const { sequence } = message;
    const event = fromStreamResponse(message);
    const isHeartbeat = event?.kind === "heartbeat";
    if (event === undefined || sequence < this.#last || (sequence === this.#last && !isHeartbeat)) return false;
    this.#last = sequence;
    this.#options.listener.events?.push(sequence, this.#own(event));
    return true;
  }

  /** Who joined by a request id is told so; a cursor gets the stream as it was. */
  #own(event: OutgoingEvent): OutgoingEvent {
    if (event.kind !== "completed" || this.#options.want === "resume") return event;
    const responseCacheStatus = this.#isReplay ? CacheStatus.REPLAYED : CacheStatus.COALESCED;
    return { kind: "completed", response: { ...event.response, responseCacheStatus } };
  }

  #lost(isUnknown: boolean): void {
    if (this.#isOver) return;
    this.#link?.leave();
    this.#link = undefined;
    const { listener, place, want } = this.#options;
    if (want === "resume" || this.#last > 0) {
      if (isUnknown) this.#ownerIsGone();
      else this.#retry = setTimeout(() => void this.#goOn().catch((cause) => this.#unaskable(cause)), retryMs);
      return;
    }
    if (isUnknown) {
      this.#isOver = true;
      listener.lost(place, true);
      return;
    }
    this.#retry = setTimeout(() => {
      this.#isOver = true;
      listener.lost(place, false);
    }, retryMs);
  }

  /** After events were told, only the same owner can go on. */
  async #goOn(): Promise<void> {
    const { shared, place } = this.#options;
    // While NATS cannot be asked the owner is not known to have gone.
    const isThere = await shared.isPresent(place.owner).catch(() => true);
    if (this.#isOver) return;
    if (!isThere) {
      this.#ownerIsGone();
      return;
    }
    this.#want = "resume";
    this.#ask();
  }

  #ownerIsGone(): void {
    const isNew = this.#options.want === "resume" && this.#last === this.#options.after;
    this.#fail(isNew ? cursorExpired() : this.#interrupted("the replica that ran the stream has died", undefined));
  }

  /** The owner may live: who asks again, perhaps elsewhere, may find it. */
  #unaskable(cause: unknown): void {
    const isNew = this.#last === this.#options.after;
    this.#fail(
      isNew ? stateUnreachable(cause) : this.#interrupted("the replica that runs the stream cannot be asked", cause),
    );
  }

  #interrupted(message: string, cause: unknown): CallFailure {
    const { responseId } = this.#options.place;
    return new CallFailure(ErrorReason.STREAM_INTERRUPTED, message, {
      retryAfterMs: 1_000,
      streamFailure: create(StreamFailureSchema, { responseId, lastSequence: this.#last }),
      cause,
    });
  }

  /** The caller has gone, or has no time left. */
  #stopped(cause: StopCause): void {
    const failure = this.#options.call.toCallFailure(new Stopped(cause));
    if (this.#isGone) this.#end(() => {});
    else this.#fail(failure);
  }

  #fail(failure: CallFailure): void {
    this.#end(() => this.#options.listener.fail(failure));
  }

  #end(tell: () => void): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#retry);
    this.#link?.leave();
    this.#link = undefined;
    this.#options.call.scope.close();
    this.#options.call.dissolve();
    tell();
  }
}
