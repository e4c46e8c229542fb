// Numbers the events of a stream, merges deltas when the caller allows it, and keeps a silent stream alive. Coalescing
// comes before numbering, so that sequence numbers have no gap.
import type { CompleteResponse } from "../contract.ts";
import type { CallFailure } from "../domain/call-failure.ts";
import type { StreamEvent } from "../domain/stream-event.ts";
import type { Clock, OutgoingEvent, StreamSink } from "./ports.ts";

export type StreamWriterOptions = {
  /** Longest silence before a heartbeat. */
  readonly heartbeatMs: number;
  /** Deltas are merged for up to this long; 0: sent at once. */
  readonly coalesceMs: number;
  /** Tokens generated so far and not shown, asked when a heartbeat is due; `undefined`: not known. */
  readonly hiddenOutputTokens: () => number | undefined;
  /** The first event of the stream, made when something must be sent. */
  readonly started: () => OutgoingEvent;
};

/** Deltas are not merged beyond this, however long the window. */
const heldCharactersMax = 64 << 10;

/** Stands in for the sink of a caller who has gone. */
const silence: StreamSink = { push() {}, flush: () => true, succeed() {}, fail() {} };

export class StreamWriter {
  #sink: StreamSink;
  readonly #clock: Clock;
  readonly #options: StreamWriterOptions;
  #sequence = 0;
  #sentMs = 0;
  #heartbeat: NodeJS.Timeout | undefined;
  #coalescing: NodeJS.Timeout | undefined;
  #held: StreamEvent[] = [];
  #heldCharacters = 0;
  #isFull = false;

  constructor(sink: StreamSink, clock: Clock, options: StreamWriterOptions) {
    this.#sink = sink;
    this.#clock = clock;
    this.#options = options;
  }

  /** Sequence of the last event; 0: none yet. */
  get sequence(): number {
    return this.#sequence;
  }

  /** From now on silence is broken by heartbeats. */
  open(): void {
    this.#sentMs = this.#clock.monotonicMs();
    this.#armHeartbeat(this.#options.heartbeatMs);
  }

  push(event: StreamEvent): void {
    if (this.#options.coalesceMs > 0) this.#hold(event);
    else this.#number(event);
  }

  /** False: the caller reads slowly. */
  flush(): boolean {
    if (this.#options.coalesceMs > 0) {
      if (this.#held.length > 0) this.#coalescing ??= setTimeout(() => this.#release(), this.#options.coalesceMs);
      return !this.#isFull;
    }
    return this.#flushNow();
  }

  /** The sink can take more. */
  drained(): void {
    this.#isFull = false;
  }

  /** Sends what was held and the last event, and ends the stream well. */
  succeed(response: CompleteResponse): void {
    this.close();
    this.#number({ kind: "completed", response });
    this.#sink.flush();
    this.#sink.succeed();
  }

  /** Ends the stream badly; `close` was called before. */
  fail(failure: CallFailure): void {
    this.#sink.fail(failure);
  }

  /** No more heartbeats; what was held is sent. */
  close(): void {
    clearTimeout(this.#heartbeat);
    this.#release();
  }

  /** The caller has gone: it hears nothing more. */
  mute(): void {
    this.#sink = silence;
    clearTimeout(this.#heartbeat);
  }

  #number(event: OutgoingEvent): void {
    if (this.#sequence === 0) this.#sink.push(++this.#sequence, this.#options.started());
    this.#sink.push(++this.#sequence, event);
  }

  #flushNow(): boolean {
    this.#sentMs = this.#clock.monotonicMs();
    this.#isFull = !this.#sink.flush();
    return !this.#isFull;
  }

  #hold(event: StreamEvent): void {
    const last = this.#held.at(-1);
    const merged = last === undefined ? undefined : merge(last, event);
    if (merged === undefined) this.#held.push(event);
    else this.#held[this.#held.length - 1] = merged;
    this.#heldCharacters += charactersOf(event);
    if (this.#heldCharacters > heldCharactersMax) this.#release();
  }

  #release(): void {
    clearTimeout(this.#coalescing);
    this.#coalescing = undefined;
    if (this.#held.length === 0) return;
    const held = this.#held;
    this.#held = [];
    this.#heldCharacters = 0;
    for (const event of held) this.#number(event);
    this.#flushNow();
  }

  #armHeartbeat(afterMs: number): void {
    this.#heartbeat = setTimeout(() => this.#beat(), Math.max(1, afterMs));
    this.#heartbeat.unref();
  }

  #beat(): void {
    const silentMs = this.#clock.monotonicMs() - this.#sentMs;
    if (silentMs < this.#options.heartbeatMs || this.#isFull) {
      this.#armHeartbeat(Math.max(this.#options.heartbeatMs - silentMs, heartbeatRetryMs));
      return;
    }
    if (this.#sequence === 0) this.#sink.push(++this.#sequence, this.#options.started());
    else
      this.#sink.push(this.#sequence, {
        kind: "heartbeat",
        hiddenOutputTokens: this.#options.hiddenOutputTokens(),
      });
    this.#flushNow();
    this.#armHeartbeat(this.#options.heartbeatMs);
  }
}

/** A caller who reads slowly is not silent: it has bytes waiting. Look again after this long. */
const heartbeatRetryMs = 100;

/** Two neighbouring deltas of one part as one; `undefined` when they do not merge. */
function merge(left: StreamEvent, right: StreamEvent): StreamEvent | undefined {
  if (left.kind === "text-delta" && right.kind === "text-delta" && left.index === right.index) {
    const logprobs =
      left.logprobs === undefined && right.logprobs === undefined
        ? undefined
        : [...(left.logprobs ?? []), ...(right.logprobs ?? [])];
    return { kind: "text-delta", index: left.index, text: left.text + right.text, logprobs };
  }
  if (left.kind === "reasoning-delta" && right.kind === "reasoning-delta" && left.index === right.index) {
    return { kind: "reasoning-delta", index: left.index, text: left.text + right.text };
  }
  if (left.kind === "arguments-delta" && right.kind === "arguments-delta" && left.index === right.index) {
    return { kind: "arguments-delta", index: left.index, json: left.json + right.json };
  }
  return undefined;
}

/** Rough size of what an event holds. */
function charactersOf(event: StreamEvent): number {
  switch (event.kind) {
    case "text-delta":
    case "reasoning-delta":
      return event.text.length;
    case "arguments-delta":
      return event.json.length;
    case "data-delta":
      return event.data.length;
    default:
      return 0;
  }
}
