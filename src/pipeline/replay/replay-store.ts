// What is remembered of calls that may be asked for again: streams with a cursor, and calls with a request id. Bounded in
// entries, content and time; what expires first goes first. Scoped to the project: an id of another project is not found.
import type { Message } from "@bufbuild/protobuf";
import type { GenMessage } from "@bufbuild/protobuf/codegenv2";
import { type CompleteResponse, ErrorReason, type ResponseInfo } from "../../contract.ts";
import { CallFailure } from "../../domain/call-failure.ts";
import type { Clock, StreamSink } from "../ports.ts";
import { Broadcast } from "./broadcast.ts";
import { roughSize } from "./rough-size.ts";

export type ReplayLimits = {
  /** Calls that have ended and are remembered. */
  readonly entriesMax: number;
  /** Over all calls, as `roughSize` measures. */
  readonly charactersMax: number;
  /** For the events of one stream. */
  readonly charactersPerStreamMax: number;
  /** How long a finished call with a request id is remembered. Default of the contract: 24 hours. */
  readonly rememberMs: number;
  /** How long a resumable stream without a reader goes on, and how long its events are kept after the end. */
  readonly resumeWindowMs: number;
};

export const defaultReplayLimits: ReplayLimits = {
  entriesMax: 10_000,
  charactersMax: 256 << 20,
  charactersPerStreamMax: 8 << 20,
  rememberMs: 24 * 3_600_000,
  resumeWindowMs: 120_000,
};

/** How a call ended, for those who joined it. */
export type ReplayEnd =
  | { readonly kind: "response"; readonly response: CompleteResponse }
  /** Of an operation that is not chat. */
  | { readonly kind: "operation"; readonly response: OperationAnswer; readonly bytes: number }
  | { readonly kind: "failure"; readonly failure: CallFailure };

export type OperationAnswer = Message & { readonly info?: ResponseInfo | undefined };

export type ReplayCall = {
  readonly projectId: string;
  /** "": none. */
  readonly requestId: string;
  readonly responseId: string;
  readonly digest: string;
  readonly streaming: boolean;
  /** Its events are kept for a cursor, and it outlives its readers for a while. */
  readonly resumable: boolean;
  /** Of an operation that is not chat. */
  readonly answerSchema?: GenMessage<OperationAnswer> | undefined;
  /** Hears of the end before anybody else does. */
  readonly onEnded?: ((entry: ReplayEntry, end: ReplayEnd) => void) | undefined;
};

type Hear = (end: ReplayEnd) => void;

export type ReplayEntry = ReplayCall & {
  /** For a stream: its events. */
  readonly broadcast: Broadcast | undefined;
  /** Stops the generation. */
  stop: () => void;
  /** The upstream may be read again. */
  resume: () => void;
  end: ReplayEnd | undefined;
  /** The end is the outcome of its request id; a failure that may be retried is not. */
  isRemembered: boolean;
  /** The caller of a unary call is still there. */
  isOwned: boolean;
  readonly waiting: Set<Hear>;
  /** Runs since a resumable stream was deserted; looks again when it fires. */
  desertion: NodeJS.Timeout | undefined;
  /** Unix milliseconds; Infinity while the call runs. */
  expiresMs: number;
  /** Of the end, beside the events. */
  characters: number;
};

/** The first caller went away, or its time was over, before there was an outcome: who joined may try again. */
export const abandoned = {
  kind: "failure",
  failure: new CallFailure(ErrorReason.GATEWAY_OVERLOADED, "the call that this one joined was cancelled", {
    retryAfterMs: 0,
  }),
} as const satisfies ReplayEnd;

export class ReplayStore {
  readonly #limits: ReplayLimits;
  readonly #clock: Clock;
  /** By `q<project>\n<request id>` and `r<project>\n<response id>`. */
  readonly #entries = new Map<string, ReplayEntry>();
  /** Ended calls in order of their end, and so of their expiry: those with a request id, and the others. */
  readonly #remembered = new Set<ReplayEntry>();
  readonly #resumable = new Set<ReplayEntry>();
  #characters = 0;
  /** Calls that are claimed and have not begun: another replica may ask for one before we have heard that it is ours. */
  readonly #expected = new Map<string, { readonly begun: Promise<void>; readonly resolve: () => void }>();

  constructor(limits: ReplayLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** What is kept, as `roughSize` measures. */
  get characters(): number {
    return this.#characters;
  }

  /** See `ReplayLimits`. */
  get resumeWindowMs(): number {
    return this.#limits.resumeWindowMs;
  }

  byRequestId(projectId: string, requestId: string): ReplayEntry | undefined {
    return this.#live(`q${projectId}\n${requestId}`);
  }

  byResponseId(projectId: string, responseId: string): ReplayEntry | undefined {
    return this.#live(`r${projectId}\n${responseId}`);
  }

  /** A call may begin under this id; `unexpect` follows when it does not. */
  expect(responseId: string): void {
    const { promise: begun, resolve } = Promise.withResolvers<void>();
    this.#expected.set(responseId, { begun, resolve });
  }

  unexpect(responseId: string): void {
    this.#expected.get(responseId)?.resolve();
    this.#expected.delete(responseId);
  }

  /** Resolves when it is known whether the call begins; `undefined`: it is not expected. */
  expected(responseId: string): Promise<void> | undefined {
    return this.#expected.get(responseId)?.begun;
  }

  /** Remembers a call that begins. */
  begin(call: ReplayCall): ReplayEntry {
    const broadcast = call.streaming
      ? new Broadcast({
          charactersMax: this.#limits.charactersPerStreamMax,
          onKept: (characters) => this.#kept(characters),
          onDeserted: () => this.#deserted(entry),
          onCaughtUp: () => entry.resume(),
          onEnd: () => this.#streamEnded(entry),
        })
      : undefined;
    const entry = toEntry(call, broadcast);
    for (const key of keysOf(entry)) this.#entries.set(key, entry);
    this.unexpect(entry.responseId);
    return entry;
  }

  /**
   * The call is over; only the first end counts. A failure that may be retried is forgotten, so that the same request id
   * can try again, and so is one that was the first caller's alone. Anything else is the outcome of the request.
   */
  ended(entry: ReplayEntry, asItEnded: ReplayEnd): void {
    if (entry.end !== undefined) return;
    const end = isOfFirstCaller(asItEnded) ? abandoned : asItEnded;
    entry.end = end;
    clearTimeout(entry.desertion);
    entry.stop = nothing; // They hold the whole call with its request, which may be large and is not accounted for.
    entry.resume = nothing;
    const isFinal = end.kind !== "failure" || end.failure.facts.retryAfterMs === undefined;
    const isRemembered = entry.requestId !== "" && isFinal;
    if (!isFinal) this.#delete(requestKeyOf(entry), entry);
    entry.isRemembered = isRemembered;
    entry.expiresMs = this.#clock.nowMs() + (isRemembered ? this.#limits.rememberMs : this.#limits.resumeWindowMs);
    (isRemembered ? this.#remembered : this.#resumable).add(entry);
    entry.characters = sizeOf(end);
    this.#kept(entry.characters);
    entry.onEnded?.(entry, end);
    const waiting = [...entry.waiting];
    entry.waiting.clear();
    for (const hear of waiting) hear(end);
  }

  /** Hears the end, now or later, but not before this has returned. What it gives back stops the waiting. */
  wait(entry: ReplayEntry, hear: Hear): () => void {
    const { end } = entry;
    let isGone = false;
    const hearUnlessGone: Hear = (one) => {
      if (!isGone) hear(one);
    };
    if (end === undefined) entry.waiting.add(hearUnlessGone);
    else queueMicrotask(() => hearUnlessGone(end));
    return () => {
      isGone = true;
      if (entry.waiting.delete(hearUnlessGone)) this.#left(entry);
    };
  }

  /** Follows a stream from a cursor on. */
  follow(entry: ReplayEntry, reader: StreamSink, afterSequence: number): void {
    entry.broadcast?.attach(reader, afterSequence);
  }

  /** The caller of a unary call has gone; who joined it may still want it. */
  disown(entry: ReplayEntry): void {
    entry.isOwned = false;
    this.#left(entry);
  }

  #streamEnded(entry: ReplayEntry): void {
    const failure = entry.broadcast?.failure;
    if (failure !== undefined) this.ended(entry, { kind: "failure", failure });
  }

  #deserted(entry: ReplayEntry): void {
    entry.resume(); // Nobody is slow now.
    this.#left(entry);
  }

  /** A resumable stream waits a while for its reader to come back; any other generation that nobody wants is stopped. */
  #left(entry: ReplayEntry): void {
    if (entry.end !== undefined || isWanted(entry)) return;
    if (!entry.resumable) {
      entry.stop();
      return;
    }
    clearTimeout(entry.desertion);
    entry.desertion = setTimeout(() => {
      if (!isWanted(entry)) entry.stop();
    }, this.#limits.resumeWindowMs);
    entry.desertion.unref();
  }

  /** True: there is room. */
  #kept(characters: number): boolean {
    this.#characters += characters;
    if (characters > 0) this.#makeRoom();
    return this.#characters <= this.#limits.charactersMax;
  }

  #live(key: string): ReplayEntry | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.expiresMs > this.#clock.nowMs()) return entry;
    this.#forget(entry);
    return undefined;
  }

  #makeRoom(): void {
    const nowMs = this.#clock.nowMs();
    for (let next = this.#firstToExpire(); next !== undefined; next = this.#firstToExpire()) {
      const isCrowded =
        this.#remembered.size + this.#resumable.size > this.#limits.entriesMax ||
        this.#characters > this.#limits.charactersMax;
      if (!isCrowded && next.expiresMs > nowMs) return;
      this.#forget(next);
    }
  }

  #firstToExpire(): ReplayEntry | undefined {
    const [remembered] = this.#remembered;
    const [resumable] = this.#resumable;
    if (remembered === undefined || resumable === undefined) return remembered ?? resumable;
    return remembered.expiresMs < resumable.expiresMs ? remembered : resumable;
  }

  #forget(entry: ReplayEntry): void {
    this.#remembered.delete(entry);
    this.#resumable.delete(entry);
    for (const key of keysOf(entry)) this.#delete(key, entry);
    this.#characters -= entry.characters;
    entry.characters = 0;
    entry.broadcast?.forget();
  }

  /** Unless the key stands for a later call by now. */
  #delete(key: string, entry: ReplayEntry): void {
    if (this.#entries.get(key) === entry) this.#entries.delete(key);
  }
}

/** A call that is over at another replica: it has an end, and is not remembered here. */
export function endedElsewhere(call: ReplayCall, end: ReplayEnd): ReplayEntry {
  return { ...toEntry(call, undefined), end, isRemembered: true };
}

function toEntry(call: ReplayCall, broadcast: Broadcast | undefined): ReplayEntry {
  return {
    ...call,
    broadcast,
    stop: nothing,
    resume: nothing,
    end: undefined,
    isRemembered: false,
    isOwned: !call.streaming,
    waiting: new Set(),
    desertion: undefined,
    expiresMs: Number.POSITIVE_INFINITY,
    characters: 0,
  };
}

function nothing(): void {}

function isWanted({ isOwned, waiting, broadcast }: ReplayEntry): boolean {
  return isOwned || waiting.size > 0 || (broadcast?.readers ?? 0) > 0;
}

/** Its deadline and its going away say nothing of the request. */
function isOfFirstCaller(end: ReplayEnd): boolean {
  if (end.kind !== "failure") return false;
  const { reason } = end.failure;
  return reason === ErrorReason.DEADLINE_EXCEEDED || reason === ErrorReason.CANCELLED;
}

function requestKeyOf({ projectId, requestId }: ReplayCall): string {
  return `q${projectId}\n${requestId}`;
}

function keysOf(entry: ReplayEntry): readonly string[] {
  const byResponse = `r${entry.projectId}\n${entry.responseId}`;
  return entry.requestId === "" ? [byResponse] : [byResponse, requestKeyOf(entry)];
}

function sizeOf(end: ReplayEnd): number {
  if (end.kind === "failure") return 0;
  return end.kind === "operation" ? end.bytes : roughSize(end.response);
}
