import { Flag, FrameType, frameHeadBytes, framePayloadMax } from "./frame.ts";
import type { Output } from "./output.ts";

/** "Dynamic Table Size Update" to 0: RFC 7541, section 6.3. */
const emptyTable = Buffer.from([0x20]);

/**
 * Writes frames: RFC 9113, section 4.1. None is larger than 2^14 bytes, which every peer takes whatever its settings say.
 * Windows are the caller's to look at.
 */
export class FrameWriter {
  readonly #output: Output;
  /** `due`: the next block of headers says that it uses no table. */
  #tableNotice: "none" | "due" | "given" = "none";

  constructor(output: Output) {
    this.#output = output;
  }

  /** RFC 7541, section 4.2: a peer that makes its table smaller is told so, even by one who keeps nothing in it. */
  emptyTable(): void {
    if (this.#tableNotice === "none") this.#tableNotice = "due";
  }

  /** `headers`: a whole block. It is copied before this returns. */
  writeHeaders(streamId: number, headers: Buffer, isEnd: boolean): void {
    let block = headers;
    if (this.#tableNotice === "due") {
      this.#tableNotice = "given";
      block = Buffer.concat([emptyTable, headers]);
    }
    let type: number = FrameType.HEADERS;
    let flags = isEnd ? Flag.END_STREAM : 0;
    for (let at = 0; at === 0 || at < block.length; at += framePayloadMax) {
      const length = Math.min(framePayloadMax, block.length - at);
      const last = at + length === block.length ? Flag.END_HEADERS : 0;
      this.writeFrame(type, flags | last, streamId, block, at, length);
      type = FrameType.CONTINUATION;
      flags = 0;
    }
  }

  writeData(streamId: number, bytes: Buffer): void {
    for (let at = 0; at < bytes.length; at += framePayloadMax) {
      this.writeFrame(FrameType.DATA, 0, streamId, bytes, at, Math.min(framePayloadMax, bytes.length - at));
    }
  }

  writeGoAway(lastStreamId: number, code: number): void {
    const buffer = this.#reserve(FrameType.GOAWAY, 0, 0, 8);
    const at = this.#output.offset - 8;
    buffer.writeUInt32BE(lastStreamId, at);
    buffer.writeUInt32BE(code, at + 4);
  }

  /** A payload of one number. */
  writeWord(type: number, streamId: number, word: number): void {
    const buffer = this.#reserve(type, 0, streamId, 4);
    buffer.writeUInt32BE(word, this.#output.offset - 4);
  }

  writeEmpty(type: number, flags: number, streamId: number): void {
    this.#reserve(type, flags, streamId, 0);
  }

  writeFrame(type: number, flags: number, streamId: number, bytes: Buffer, start: number, length: number): void {
    const buffer = this.#reserve(type, flags, streamId, length);
    bytes.copy(buffer, this.#output.offset - length, start, start + length);
  }

  /** Writes the head; the payload ends at the output's offset. */
  #reserve(type: number, flags: number, streamId: number, length: number): Buffer {
    const buffer = this.#output.reserve(frameHeadBytes + length);
    const at = this.#output.offset;
    buffer.writeUIntBE(length, at, 3);
    buffer[at + 3] = type;
    buffer[at + 4] = flags;
    buffer.writeUInt32BE(streamId, at + 5);
    this.#output.advance(frameHeadBytes + length);
    return buffer;
  }
}
