// One generation, any number of readers. Keeps the numbered events of a stream for as long as they fit, so that a reader
// who lost its connection, or a second call with the same request id, gets what it missed and then what comes.
//
// The provider is read at the pace of the leader, the reader who is there longest: first of all the caller who pays. Each
// other reader goes at its own pace through what is kept; one that falls further behind than that has lost its place.
import { ErrorReason } from "../../contract.ts";
import { CallFailure } from "../../domain/call-failure.ts";
import type { OutgoingEvent, StreamSink } from "../ports.ts";
import { roughSize } from "./rough-size.ts";

type Kept = { readonly sequence: number; readonly event: OutgoingEvent; readonly size: number };

type End = { readonly kind: "succeeded" } | { readonly kind: "failed"; readonly failure: CallFailure };

type Reader = {
  readonly sink: StreamSink;
  /** Sequence of the last event that it was given. */
  position: number;
  /** It takes nothing now. */
  isFull: boolean;
  /** It is given what is kept as it asks for more, not what comes. Only who is full is behind. */
  isBehind: boolean;
};

export type BroadcastOptions = {
  /** Most that is kept, as `roughSize` measures. Past it the oldest events go, and an old cursor has expired. */
  readonly charactersMax: number;
  /** So much more is kept, or less when negative. False: there is no room, and as much is to go as came. */
  readonly onKept: (characters: number) => boolean;
  /** Nobody reads any more, and the generation still runs. */
  readonly onDeserted: () => void;
  /** A leader that was full has gone, and the next one is not. */
  readonly onCaughtUp: () => void;
  readonly onEnd: () => void;
};

/** So much is given to a reader who catches up before it is asked whether it can take more. */
const catchUpCharacters = 64 << 10;

export class Broadcast implements StreamSink {
  readonly #options: BroadcastOptions;
  readonly #readers = new Map<StreamSink, Reader>();
  #leader: Reader | undefined;
  #kept: Kept[] = [];
  /** Where what is kept begins: those before it are gone, and are cut off now and then. */
  #first = 0;
  #characters = 0;
  /** Events up to this sequence are gone; those that are kept follow it without a gap. */
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

  /** Gives the reader what it missed, as fast as it takes it, and then everything as it comes. */
  attach(sink: StreamSink, afterSequence: number): void {
    const reader: Reader = { sink, position: afterSequence, isFull: false, isBehind: true };
    this.#readers.set(sink, reader);
    this.#leader ??= reader;
    this.#catchUp(reader);
  }

  detach(sink: StreamSink): void {
    const reader = this.#readers.get(sink);
    if (reader !== undefined) this.#remove(reader);
  }

  /** A reader can take more. True: it is the leader, and the provider may be read again. */
  drained(sink: StreamSink): boolean {
    const reader = this.#readers.get(sink);
    if (reader === undefined) return false;
    reader.isFull = false;
    if (reader.isBehind) this.#catchUp(reader);
    return reader === this.#leader && !reader.isFull;
  }

  push(sequence: number, event: OutgoingEvent): void {
    if (this.#end !== undefined) return;
    for (const reader of this.#readers.values()) {
      if (reader.isBehind) continue;
      reader.sink.push(sequence, event);
      reader.position = sequence;
    }
    if (event.kind !== "heartbeat") this.#keep(sequence, event);
  }

  /** False: the leader reads slowly. */
  flush(): boolean {
    for (const reader of this.#readers.values()) {
      if (reader.isBehind || reader.sink.flush()) continue;
      reader.isFull = true;
      reader.isBehind = reader !== this.#leader; // What comes until the provider pauses is the leader's all the same.
    }
    return this.#leader?.isFull !== true;
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

  /** Gives a reader what is kept until it is full or has everything. */
  #catchUp(reader: Reader): void {
    let given = 0;
    while (reader.position < this.#lastSequence) {
      const kept = this.#kept[this.#first + reader.position - this.#droppedSequence];
      if (kept === undefined) break;
      reader.sink.push(kept.sequence, kept.event);
      reader.position = kept.sequence;
      given += kept.size;
      if (given < catchUpCharacters) continue;
      if (this.#isFilled(reader)) return;
      given = 0;
    }
    if (given > 0 && this.#isFilled(reader)) return;
    reader.isBehind = false;
    if (this.#end !== undefined && this.#readers.delete(reader.sink)) tellEnd(reader.sink, this.#end);
  }

  /** True: it takes nothing more, or has gone meanwhile. At the end of the stream who has everything is not asked. */
  #isFilled(reader: Reader): boolean {
    const isDone = this.#end !== undefined && reader.position === this.#lastSequence;
    reader.isFull = !reader.sink.flush() && !isDone;
    return reader.isFull || this.#readers.get(reader.sink) !== reader;
  }

  #remove(reader: Reader): void {
    if (!this.#readers.delete(reader.sink)) return;
    if (this.#end !== undefined) return;
    if (this.#readers.size === 0) {
      this.#leader = undefined;
      this.#options.onDeserted();
    } else if (reader === this.#leader) {
      const [next] = this.#readers.values();
      this.#leader = next;
      if (reader.isFull && next?.isFull === false) this.#options.onCaughtUp();
    }
  }

  /** Whoever has not read what is gone cannot go on. */
  #leaveBehind(): void {
    for (const reader of this.#readers.values()) {
      if (!reader.isBehind || reader.position >= this.#droppedSequence) continue;
      this.#remove(reader);
      reader.sink.fail(
        new CallFailure(ErrorReason.CURSOR_EXPIRED, "the stream was read so slowly that its next events are not kept"),
      );
    }
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
    if (this.#first * 2 >= this.#kept.length) {
      this.#kept = this.#kept.slice(this.#first);
      this.#first = 0;
    }
    this.#leaveBehind();
  }

  #finish(end: End): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    for (const { sink, isBehind } of [...this.#readers.values()]) {
      if (isBehind) continue; // Told when it has everything.
      this.#readers.delete(sink);
      tellEnd(sink, end);
    }
    this.#leader = undefined;
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
