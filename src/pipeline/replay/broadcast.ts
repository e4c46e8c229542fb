// One generation, any number of readers. Keeps the numbered events of a stream for as long as they fit, so that a reader
// who lost its connection, or a second call with the same request id, gets what it missed and then what comes.
import type { CallFailure } from "../../domain/call-failure.ts";
import type { OutgoingEvent, StreamSink } from "../ports.ts";

type Kept = { readonly sequence: number; readonly event: OutgoingEvent };

type End = { readonly kind: "succeeded" } | { readonly kind: "failed"; readonly failure: CallFailure };

export type BroadcastOptions = {
  /** Most characters of content kept. Past it the oldest events go, and an old cursor has expired. */
  readonly charactersMax: number;
  /** Nobody reads any more, and the generation still runs. */
  readonly onDeserted: () => void;
  readonly onEnd: () => void;
};

export class Broadcast implements StreamSink {
  readonly #options: BroadcastOptions;
  readonly #readers = new Set<StreamSink>();
  readonly #slow = new Set<StreamSink>();
  #kept: Kept[] = [];
  #characters = 0;
  /** Events up to this sequence are gone. */
  #droppedSequence = 0;
  #lastSequence = 0;
  #end: End | undefined;

  constructor(options: BroadcastOptions) {
    this.#options = options;
  }

  get isOver(): boolean {
    return this.#end !== undefined;
  }

  /** How the generation ended; `undefined` while it runs. */
  get failure(): CallFailure | undefined {
    return this.#end?.kind === "failed" ? this.#end.failure : undefined;
  }

  get readers(): number {
    return this.#readers.size;
  }

  /** What is kept, for the bound of the store. */
  get characters(): number {
    return this.#characters;
  }

  /** Whether everything after the cursor is still kept. A cursor ahead of the stream is none of ours. */
  reaches(afterSequence: number): boolean {
    return afterSequence >= this.#droppedSequence && afterSequence <= this.#lastSequence;
  }

  /** Gives the reader what it missed, and then everything as it comes. */
  attach(reader: StreamSink, afterSequence: number): void {
    for (const { sequence, event } of this.#kept) {
      if (sequence > afterSequence) reader.push(sequence, event);
    }
    reader.flush();
    if (this.#end === undefined) this.#readers.add(reader);
    else finish(reader, this.#end);
  }

  detach(reader: StreamSink): void {
    this.#slow.delete(reader);
    if (!this.#readers.delete(reader)) return;
    if (this.#readers.size === 0 && this.#end === undefined) this.#options.onDeserted();
  }

  /** A slow reader can take more. True: nobody is slow now. */
  drained(reader: StreamSink): boolean {
    this.#slow.delete(reader);
    return this.#slow.size === 0;
  }

  push(sequence: number, event: OutgoingEvent): void {
    for (const reader of this.#readers) reader.push(sequence, event);
    if (event.kind === "heartbeat") return;
    this.#lastSequence = sequence;
    this.#kept.push({ sequence, event });
    this.#characters += charactersOf(event);
    if (this.#characters > this.#options.charactersMax) this.#drop();
  }

  flush(): boolean {
    for (const reader of this.#readers) {
      if (!reader.flush()) this.#slow.add(reader);
    }
    return this.#slow.size === 0;
  }

  succeed(): void {
    this.#finish({ kind: "succeeded" });
  }

  fail(failure: CallFailure): void {
    this.#finish({ kind: "failed", failure });
  }

  #finish(end: End): void {
    this.#end = end;
    for (const reader of this.#readers) finish(reader, end);
    this.#readers.clear();
    this.#slow.clear();
    this.#options.onEnd();
  }

  #drop(): void {
    let index = 0;
    while (index < this.#kept.length - 1 && this.#characters > this.#options.charactersMax) {
      const gone = this.#kept[index];
      if (gone === undefined) break;
      this.#characters -= charactersOf(gone.event);
      this.#droppedSequence = gone.sequence;
      index += 1;
    }
    this.#kept = this.#kept.slice(index);
  }
}

function finish(reader: StreamSink, end: End): void {
  if (end.kind === "succeeded") reader.succeed();
  else reader.fail(end.failure);
}

/** A rough measure of what an event holds in memory: its content, and an allowance for the object. */
function charactersOf(event: OutgoingEvent): number {
  const allowance = 64;
  switch (event.kind) {
    case "text-delta":
    case "reasoning-delta":
      return allowance + event.text.length;
    case "arguments-delta":
      return allowance + event.json.length;
    case "data-delta":
      return allowance + event.data.length;
    case "completed":
      return allowance * 8;
    default:
      return allowance;
  }
}
