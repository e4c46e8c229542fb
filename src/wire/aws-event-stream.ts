// `application/vnd.amazon.eventstream`: binary frames of a prelude (total length, headers length, CRC), headers, payload
// and CRC (https://docs.aws.amazon.com/transcribe/latest/dg/event-stream.html, smithy.io "Amazon event stream").
import { crc32 } from "node:zlib";
import type { FrameLimits } from "./frame-limits.ts";
import { type FrameDecoder, FramingError, type WireEvent } from "./wire-event.ts";

/** Both checksums of every frame are checked: after a wrong one the length of a frame means nothing. */
export function createAwsEventStreamDecoder(limits: FrameLimits): FrameDecoder {
  return new AwsEventStreamDecoder(limits.eventBytesMax);
}

const preludeBytes = 12;
const checksumBytes = 4;
const frameBytesMin = preludeBytes + checksumBytes;

class AwsEventStreamDecoder implements FrameDecoder {
  readonly #eventBytesMax: number;
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  /** Bytes that must be there before the next look is worth it, so that a large frame in small chunks is joined once. */
  #wantedBytes = preludeBytes;

  constructor(eventBytesMax: number) {
    this.#eventBytesMax = eventBytesMax;
  }

  push(bytes: Uint8Array): readonly WireEvent[] {
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    if (this.#heldBytes < this.#wantedBytes) return [];

    const buffer = Buffer.concat(this.#held);
    const events: WireEvent[] = [];
    let start = 0;
    this.#wantedBytes = preludeBytes;
    while (buffer.length - start >= preludeBytes) {
      const frameBytes = readFrameLength(buffer, start, this.#eventBytesMax);
      if (buffer.length - start < frameBytes) {
        this.#wantedBytes = frameBytes;
        break;
      }
      events.push(readFrame(buffer.subarray(start, start + frameBytes)));
      start += frameBytes;
    }
    this.#held = [buffer.subarray(start)];
    this.#heldBytes = buffer.length - start;
    return events;
  }

  finish(): readonly WireEvent[] {
    if (this.#heldBytes > 0) throw new FramingError("the bytes end within a frame");
    return [];
  }
}

function readFrameLength(buffer: Buffer, start: number, frameBytesMax: number): number {
  const checksum = buffer.readUInt32BE(start + 8);
  if (crc32(buffer.subarray(start, start + 8)) !== checksum)
    throw new FramingError("a frame's prelude has a wrong checksum");
  const frameBytes = buffer.readUInt32BE(start);
  const headerBytes = buffer.readUInt32BE(start + 4);
  if (frameBytes > frameBytesMax) throw new FramingError(`a frame is longer than ${frameBytesMax} bytes`);
  if (headerBytes + frameBytesMin > frameBytes) throw new FramingError("a frame is shorter than its headers");
  return frameBytes;
}

function readFrame(frame: Buffer): WireEvent {
  const checksumStart = frame.length - checksumBytes;
  if (crc32(frame.subarray(0, checksumStart)) !== frame.readUInt32BE(checksumStart)) {
    throw new FramingError("a frame has a wrong checksum");
  }
  const headersEnd = preludeBytes + frame.readUInt32BE(4);
  const headers = readStringHeaders(frame.subarray(preludeBytes, headersEnd));
  return toEvent(headers, frame.toString("utf8", headersEnd, checksumStart));
}

/**
 * `:message-type` is "event", "exception" (modelled: `:exception-type`, payload) or "error" (unmodelled: `:error-code`
 * and `:error-message`, no payload; given as JSON so that both read alike).
 */
function toEvent(headers: ReadonlyMap<string, string>, payload: string): WireEvent {
  const messageType = headers.get(":message-type");
  if (messageType === "exception")
    return { name: headers.get(":exception-type") ?? "", data: payload, origin: "exception" };
  if (messageType === "error") {
    const data = payload === "" ? JSON.stringify({ message: headers.get(":error-message") ?? "" }) : payload;
    return { name: headers.get(":error-code") ?? "", data, origin: "exception" };
  }
  return { name: headers.get(":event-type") ?? "", data: payload, origin: "event" };
}

/** Bytes of a header's value by its type, without those that the value itself counts. */
const valueBytesByType: Readonly<Record<number, number>> = {
  0: 0, // true
  1: 0, // false
  2: 1, // byte
  3: 2, // short
  4: 4, // integer
  5: 8, // long
  8: 8, // timestamp
  9: 16, // UUID
};
const typeBytes = 6;
const typeString = 7;

function readStringHeaders(bytes: Buffer): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  let position = 0;
  const take = (length: number): number => {
    const start = position;
    position += length;
    if (position > bytes.length) throw new FramingError("a header is longer than the frame says");
    return start;
  };
  while (position < bytes.length) {
    const nameBytes = bytes.readUInt8(take(1));
    if (nameBytes === 0) throw new FramingError("a header has no name");
    const nameStart = take(nameBytes);
    const name = bytes.toString("utf8", nameStart, position);
    const type = bytes.readUInt8(take(1));
    const isSized = type === typeString || type === typeBytes;
    const valueBytes = isSized ? bytes.readUInt16BE(take(2)) : valueBytesByType[type];
    if (valueBytes === undefined) throw new FramingError("a header has an unknown type");
    const valueStart = take(valueBytes);
    if (type === typeString) headers.set(name, bytes.toString("utf8", valueStart, position));
  }
  return headers;
}
