// What is remembered of calls that may be asked for again: streams with a cursor, and calls with a request id. Bounded in
// entries, content and time; the oldest goes first. Scoped to the project: an id of another project is not found.
import type { Message } from "@bufbuild/protobuf";
import type { CompleteResponse, ResponseInfo } from "../../contract.ts";
import type { CallFailure } from "../../domain/call-failure.ts";
import type { Clock, StreamSink } from "../ports.ts";
import { Broadcast } from "./broadcast.ts";

export type ReplayLimits = {
  readonly entriesMax: number;
  /** Over all entries, in characters of content. */
  readonly charactersMax: number;
  /** For one stream. */
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

export type ReplayEntry = {
  readonly projectId: string;
  readonly requestId: string;
  readonly responseId: string;
  readonly digest: string;
  /** For a stream: its events. */
  readonly broadcast: Broadcast | undefined;
  /** Stops the generation. */
  stop: () => void;
  /** The upstream may be read again. */
  resume: () => void;
  end: ReplayEnd | undefined;
  readonly waiting: ((end: ReplayEnd) => void)[];
  expiresMs: number;
  characters: number;
};

export class ReplayStore {
  readonly #limits: ReplayLimits;
  readonly #clock: Clock;
  /** Oldest first. Keys: `project\nrequest id` and `project\nresponse id`, told apart by their first letter. */
  readonly #entries = new Map<string, ReplayEntry>();
  #characters = 0;

  constructor(limits: ReplayLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  byRequestId(projectId: string, requestId: string): ReplayEntry | undefined {
    return this.#live(`q${projectId}\n${requestId}`);
  }

  byResponseId(projectId: string, responseId: string): ReplayEntry | undefined {
    return this.#live(`r${projectId}\n${responseId}`);
  }

  /** Remembers a call that begins. `resumable`: its events are kept for a cursor, and it outlives its reader. */
  begin(call: {
    readonly projectId: string;
    readonly requestId: string;
    readonly responseId: string;
    readonly digest: string;
    readonly streaming: boolean;
    readonly resumable: boolean;
  }): ReplayEntry {
    this.#makeRoom();
    const broadcast = call.streaming
      ? new Broadcast({
          charactersMax: this.#limits.charactersPerStreamMax,
          onDeserted: () => this.#deserted(entry, call.resumable),
          onEnd: () => this.#streamEnded(entry),
        })
      : undefined;
    const entry: ReplayEntry = {
      projectId: call.projectId,
      requestId: call.requestId,
      responseId: call.responseId,
      digest: call.digest,
      broadcast,
      stop: () => {},
      resume: () => {},
      end: undefined,
      waiting: [],
      expiresMs: Number.POSITIVE_INFINITY,
      characters: 0,
    };
    for (const key of keysOf(entry)) this.#entries.set(key, entry);
    return entry;
  }

  /** A failure that may be retried is forgotten, so that the same request id can try again; anything else is the first outcome. */
  ended(entry: ReplayEntry, end: ReplayEnd): void {
    entry.end = end;
    for (const hear of entry.waiting.splice(0)) hear(end);
    const isFinal = end.kind !== "failure" || end.failure.facts.retryAfterMs === undefined;
    const keepMs = entry.requestId !== "" && isFinal ? this.#limits.rememberMs : this.#limits.resumeWindowMs;
    entry.expiresMs = this.#clock.nowMs() + keepMs;
    if (!isFinal) this.#entries.delete(`q${entry.projectId}\n${entry.requestId}`);
    entry.characters = entry.broadcast?.characters ?? sizeOf(end);
    this.#characters += entry.characters;
    this.#makeRoom();
  }

  /** Follows a stream from a cursor on. */
  follow(entry: ReplayEntry, reader: StreamSink, afterSequence: number): void {
    entry.broadcast?.attach(reader, afterSequence);
  }

  #streamEnded(entry: ReplayEntry): void {
    if (entry.broadcast?.failure !== undefined && entry.end === undefined) {
      this.ended(entry, { kind: "failure", failure: entry.broadcast.failure });
    }
  }

  /** A resumable stream waits a while for its reader to come back; any other generation is stopped at once. */
  #deserted(entry: ReplayEntry, resumable: boolean): void {
    if (!resumable) {
      entry.stop();
      return;
    }
    setTimeout(() => {
      if (entry.broadcast?.isOver === false && entry.broadcast.readers === 0) entry.stop();
    }, this.#limits.resumeWindowMs).unref();
    entry.resume();
  }

  #live(key: string): ReplayEntry | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.expiresMs > this.#clock.nowMs()) return entry;
    this.#forget(entry);
    return undefined;
  }

  #makeRoom(): void {
    const nowMs = this.#clock.nowMs();
    for (const entry of this.#entries.values()) {
      const isExpired = entry.expiresMs <= nowMs;
      const isCrowded =
        this.#entries.size >= this.#limits.entriesMax * 2 || this.#characters > this.#limits.charactersMax;
      if (!isExpired && !(isCrowded && entry.end !== undefined)) return;
      this.#forget(entry);
    }
  }

  #forget(entry: ReplayEntry): void {
    for (const key of keysOf(entry)) {
      if (this.#entries.get(key) === entry) this.#entries.delete(key);
    }
    this.#characters -= entry.characters;
    entry.characters = 0;
  }
}

function keysOf(entry: ReplayEntry): readonly string[] {
  const byResponse = `r${entry.projectId}\n${entry.responseId}`;
  return entry.requestId === "" ? [byResponse] : [byResponse, `q${entry.projectId}\n${entry.requestId}`];
}

function sizeOf(end: ReplayEnd): number {
  if (end.kind === "failure") return 0;
  if (end.kind === "operation") return end.bytes;
  let characters = 512;
  for (const { content } of end.response.message?.parts ?? []) {
    const value = content.value as { text?: string; argumentsJson?: string; data?: Uint8Array } | undefined;
    characters += (value?.text?.length ?? 0) + (value?.argumentsJson?.length ?? 0) + (value?.data?.length ?? 0) + 64;
  }
  return characters;
}
