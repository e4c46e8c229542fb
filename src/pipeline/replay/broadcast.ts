// One generation, any number of readers. Keeps the numbered events of a stream for as long as they fit, so that a reader
// who lost its connection, or a second call with the same request id, gets what it missed and then what comes. All go at
// the pace of the slowest, so that nothing piles up for it.
import type { CallFailure } from "../../domain/call-failure.ts";
import type { OutgoingEvent, StreamSink } from "../ports.ts";
import { roughSize } from "./rough-size.ts";

type Kept = { readonly sequence: number; readonly event: OutgoingEvent; readonly size: number };

type End = { readonly kind: "succeeded" } | { readonly kind: "failed"; readonly failure: CallFailure };

export type BroadcastOptions = {
  /** Most that is kept, as `roughSize` measures. Past it the oldest events go, and an old cursor has expired. */
  readonly charactersMax: number;
  /** So much more is kept, or less when negative. False: there is no room, and as much is to go as came. */
  readonly onKept: (characters: number) => boolean;
  /** Nobody reads any more, and the generation still runs. */
  readonly onDeserted: () => void;
  /** A slow reader has gone, and those who are left are not slow. */
  readonly onCaughtUp: () => void;
  readonly onEnd: () => void;
};

export class Broadcast implements StreamSink {
  readonly #options: BroadcastOptions;
  readonly #readers = new Set<StreamSink>();
  readonly #slow = new Set<StreamSink>();
  #kept: Kept[] = [];
  /** Where what is kept begins: those before it are gone, and are cut off now and then. */
  #first = 0;
  #characters = 0;
  /** Events up to this sequence are gone. */
  #droppedSequence = 0;
  #lastSequence = 0;
  #end: End | undefined;
  #isForgotten = false;

  constructor(options: BroadcastOptions) {
    this.#options = options;
  }

  /** Why the generation failed; `undefined` while it runs, and when it ended well. */
  get failure(): CallFailure | undefined {
    return this.#end?.kind === "failed" ? this.#end.failure : undefined;
  }

  get readers(): number {
    return this.#readers.size;
  }

  /** What is kept, as `roughSize` measures. */
  get characters(): number {
    return this.#characters;
  }

  /** Whether everything after the cursor is still kept. A cursor ahead of the stream is none of ours. */
  reaches(afterSequence: number): boolean {
    return afterSequence >= this.#droppedSequence && afterSequence <= this.#lastSequence;
  }

  /** Gives the reader what it missed, and then everything as it comes. */
  attach(reader: StreamSink, afterSequence: number): void {
    for (let index = this.#first; index < this.#kept.length; index += 1) {
      const kept = this.#kept[index];
      if (kept !== undefined && kept.sequence > afterSequence) reader.push(kept.sequence, kept.event);
    }
    reader.flush();
    if (this.#end === undefined) this.#readers.add(reader);
    else tellEnd(reader, this.#end);
  }

  detach(reader: StreamSink): void {
    if (!this.#readers.delete(reader)) return;
    const wasSlow = this.#slow.delete(reader);
    if (this.#readers.size === 0) this.#options.onDeserted();
    else if (wasSlow && this.#slow.size === 0) this.#options.onCaughtUp();
  }

  /** A slow reader can take more. True: nobody is slow now. */
  drained(reader: StreamSink): boolean {
    this.#slow.delete(reader);
    return this.#slow.size === 0;
  }

  push(sequence: number, event: OutgoingEvent): void {
    if (this.#end !== undefined) return;
    for (const reader of this.#readers) reader.push(sequence, event);
    if (event.kind !== "heartbeat") this.#keep(sequence, event);
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

  /** Keeps nothing any more: every cursor has expired. */
  forget(): void {
    this.#isForgotten = true;
    this.#dropTo(0, this.#kept.length);
  }

  #keep(sequence: number, event: OutgoingEvent): void {
    this.#lastSequence = sequence;
    if (this.#isForgotten) {
      this.#droppedSequence = sequence;
      return;
    }
    const size = sizeOf(event);
    this.#kept.push({ sequence, event, size });
    this.#characters += size;
    const hasRoom = this.#options.onKept(size);
    if (this.#characters <= this.#options.charactersMax && hasRoom) return;
    const charactersMax = hasRoom ? this.#options.charactersMax : this.#characters - size;
    this.#dropTo(charactersMax, this.#kept.length - 1);
  }

  /** Drops the oldest until so much is left, but none from `end` on. */
  #dropTo(charactersMax: number, end: number): void {
    const before = this.#characters;
    while (this.#first < end && this.#characters > charactersMax) {
      const gone = this.#kept[this.#first];
      if (gone === undefined) break;
      this.#characters -= gone.size;
      this.#droppedSequence = gone.sequence;
      this.#first += 1;
    }
    if (before !== this.#characters) this.#options.onKept(this.#characters - before);
    if (this.#first * 2 < this.#kept.length) return;
    this.#kept = this.#kept.slice(this.#first);
    this.#first = 0;
  }

  #finish(end: End): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    const readers = [...this.#readers];
    this.#readers.clear();
    this.#slow.clear();
    for (const reader of readers) tellEnd(reader, end);
    this.#options.onEnd();
  }
}

function tellEnd(reader: StreamSink, end: End): void {
  if (end.kind === "succeeded") reader.succeed();
  else reader.fail(end.failure);
}

/** The object of an event with its place in the list. */
const allowance = 64;

function sizeOf(event: OutgoingEvent): number {
  switch (event.kind) {
    case "text-delta":
      return allowance + event.text.length + (event.logprobs === undefined ? 0 : roughSize(event.logprobs));
    case "reasoning-delta":
      return allowance + event.text.length;
    case "arguments-delta":
      return allowance + event.json.length;
    default:
      return allowance + roughSize(event);
  }
}
