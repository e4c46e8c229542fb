// `StreamCompleteResponse` straight into a growing buffer, each with its 5-byte gRPC frame. The five events that make up
// nearly all of a stream are written by hand (0.1–0.2 µs for an ASCII delta where protobuf-es needs about 1.5 µs with the
// objects it makes); all others go through a compiled encoder. The test compares with protobuf-es.
import { StreamCompleteResponseSchema } from "../../contract.ts";
import { compileEncoder } from "../../encoding/compile-encoder.ts";
import { toStreamResponse } from "../../encoding/to-stream-response.ts";
import type { OutgoingEvent } from "../../pipeline/ports.ts";

/** Field numbers with their wire types, from stream.proto. All fit one byte. */
const tags = {
  sequence: 0x08,
  partDelta: 0x22,
  partEnded: 0x2a,
  heartbeat: 0x3a,
  index: 0x08,
  text: 0x12,
  reasoning: 0x1a,
  argumentsJson: 0x22,
  hiddenOutputTokens: 0x08,
} as const;

const encodeResponse = compileEncoder(StreamCompleteResponseSchema);

const frameHeaderBytes = 5;
/** Frame header, sequence, two lengths, part index and their tags: the most that surrounds a delta's text. */
const overheadBytesMax = 48;
const slabBytes = 4096;
/** Up to here a loop over the characters beats a call into the engine's encoder. */
const loopLengthMax = 64;

const noSlab = Buffer.alloc(0);

/**
 * The room that the last encoder left, for the next one: frames are pushed and taken in one turn of the event loop, so one
 * slab serves all streams in turn, and a stream that waits holds none (4 kB for each of many thousands).
 */
const spare: { slab: Buffer; end: number } = { slab: noSlab, end: 0 };

/** Frames of one stream that wait to be written. What `take` returns is never written to again. */
export class EventEncoder {
  #slab: Buffer = noSlab;
  /** Where the waiting frames begin, and where the next one goes. */
  #start = 0;
  #end = 0;

  get isEmpty(): boolean {
    return this.#start === this.#end;
  }

  /** Everything since the last call, as one piece. */
  take(): Buffer {
    const taken = this.#slab.subarray(this.#start, this.#end);
    spare.slab = this.#slab;
    spare.end = this.#end;
    this.#slab = noSlab;
    this.#start = 0;
    this.#end = 0;
    return taken;
  }

  push(sequence: number, event: OutgoingEvent): void {
    switch (event.kind) {
      case "text-delta":
        if (event.logprobs === undefined || event.logprobs.length === 0) {
          this.#pushDelta(sequence, event.index, tags.text, event.text);
          return;
        }
        this.#pushMessage(encodeResponse(toStreamResponse(sequence, event)));
        return;
      case "reasoning-delta":
        this.#pushDelta(sequence, event.index, tags.reasoning, event.text);
        return;
      case "arguments-delta":
        this.#pushDelta(sequence, event.index, tags.argumentsJson, event.json);
        return;
      case "part-end":
        this.#pushSmall(sequence, tags.partEnded, tags.index, event.index === 0 ? undefined : event.index);
        return;
      case "heartbeat":
        this.#pushSmall(sequence, tags.heartbeat, tags.hiddenOutputTokens, event.hiddenOutputTokens);
        return;
      default:
        this.#pushMessage(encodeResponse(toStreamResponse(sequence, event)));
    }
  }

  #pushDelta(sequence: number, index: number, tag: number, text: string): void {
    // A character is at most three bytes of UTF-8 for each UTF-16 unit.
    this.#reserve(overheadBytesMax + text.length * 3);
    if (text.length <= loopLengthMax && this.#tryPushAscii(sequence, index, tag, text)) {
      return;
    }
    const textBytes = Buffer.byteLength(text, "utf8");
    this.#writeDeltaHead(sequence, index, tag, textBytes);
    // Halves of surrogate pairs become U+FFFD here, as in `byteLength`.
    this.#end += this.#slab.write(text, this.#end, "utf8");
  }

  /** False, with nothing pushed, when a character is not ASCII. */
  #tryPushAscii(sequence: number, index: number, tag: number, text: string): boolean {
    const begin = this.#end;
    this.#writeDeltaHead(sequence, index, tag, text.length);
    const slab = this.#slab;
    const offset = this.#end;
    for (let position = 0; position < text.length; position += 1) {
      const unit = text.charCodeAt(position);
      if (unit > 0x7f) {
        this.#end = begin;
        return false;
      }
      slab[offset + position] = unit;
    }
    this.#end = offset + text.length;
    return true;
  }

  #writeDeltaHead(sequence: number, index: number, tag: number, textBytes: number): void {
    const indexBytes = index === 0 ? 0 : 1 + varintBytes(index);
    const deltaBytes = indexBytes + 1 + varintBytes(textBytes) + textBytes;
    const sequenceBytes = sequence === 0 ? 0 : 1 + varintBytes(sequence);
    this.#writeFrameHeader(sequenceBytes + 1 + varintBytes(deltaBytes) + deltaBytes);
    this.#writeField(tags.sequence, sequence);
    this.#writeByte(tags.partDelta);
    this.#writeVarint(deltaBytes);
    this.#writeField(tags.index, index);
    this.#writeByte(tag);
    this.#writeVarint(textBytes);
  }

  /** An event with at most one number in it; `undefined`: without. */
  #pushSmall(sequence: number, eventTag: number, valueTag: number, value: number | undefined): void {
    this.#reserve(overheadBytesMax);
    const eventBytes = value === undefined ? 0 : 1 + varintBytes(value);
    const sequenceBytes = sequence === 0 ? 0 : 1 + varintBytes(sequence);
    this.#writeFrameHeader(sequenceBytes + 2 + eventBytes);
    this.#writeField(tags.sequence, sequence);
    this.#writeByte(eventTag);
    this.#writeByte(eventBytes);
    if (value !== undefined) {
      this.#writeByte(valueTag);
      this.#writeVarint(value);
    }
  }

  #pushMessage(message: Uint8Array): void {
    this.#reserve(frameHeaderBytes + message.length);
    this.#writeFrameHeader(message.length);
    this.#slab.set(message, this.#end);
    this.#end += message.length;
  }

  #reserve(bytes: number): void {
    if (this.#end + bytes <= this.#slab.length) {
      return;
    }
    if (this.isEmpty && spare.end + bytes <= spare.slab.length) {
      this.#slab = spare.slab;
      this.#start = spare.end;
      this.#end = spare.end;
      spare.slab = noSlab;
      spare.end = 0;
      return;
    }
    const waiting = this.#slab.subarray(this.#start, this.#end);
    const larger = Buffer.allocUnsafe(Math.max(slabBytes, (waiting.length + bytes) * 2));
    larger.set(waiting);
    this.#slab = larger;
    this.#start = 0;
    this.#end = waiting.length;
  }

  #writeFrameHeader(messageBytes: number): void {
    this.#slab[this.#end] = 0;
    this.#slab.writeUInt32BE(messageBytes, this.#end + 1);
    this.#end += frameHeaderBytes;
  }

  /** Zero is not written, as in proto3 without presence. */
  #writeField(tag: number, value: number): void {
    if (value !== 0) {
      this.#writeByte(tag);
      this.#writeVarint(value);
    }
  }

  #writeByte(byte: number): void {
    this.#slab[this.#end] = byte;
    this.#end += 1;
  }

  #writeVarint(value: number): void {
    let rest = value;
    while (rest > 0x7f) {
      this.#slab[this.#end] = (rest & 0x7f) | 0x80;
      this.#end += 1;
      rest >>>= 7;
    }
    this.#slab[this.#end] = rest;
    this.#end += 1;
  }
}

/** Of a whole number from 0 to 2^31 - 1. */
function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) {
    bytes += 1;
  }
  return bytes;
}
