// Cuts bytes into text that ends at a line end, so that a code point or a line is never decoded in two halves: whatever
// the split of the bytes, the same text comes out.
import { FramingError } from "./wire-event.ts";

export interface LineAssembler {
  /** Text up to and with the last line end (LF or CR) of all bytes so far; "" while no line is complete. */
  take(bytes: Uint8Array): string;
  /** Bytes ended: the text after the last line end. */
  rest(): string;
}

/** Throws `FramingError` from `take` when an unfinished line grows past `lineBytesMax`. */
export function createLineAssembler(lineBytesMax: number): LineAssembler {
  return new HoldingAssembler(lineBytesMax);
}

const lineFeed = 10;
const carriageReturn = 13;

// A BOM is the SSE decoder's business, and only at the very start: decode() would strip one from any chunk.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

class HoldingAssembler implements LineAssembler {
  readonly #lineBytesMax: number;
  #held: Uint8Array[] = [];
  #heldBytes = 0;

  constructor(lineBytesMax: number) {
    this.#lineBytesMax = lineBytesMax;
  }

  take(bytes: Uint8Array): string {
    // Providers flush whole events, so nearly every chunk ends its line and is decoded in place.
    if (this.#heldBytes === 0 && bytes[bytes.length - 1] === lineFeed) return decoder.decode(bytes);

    const end = Math.max(bytes.lastIndexOf(lineFeed), bytes.lastIndexOf(carriageReturn)) + 1;
    if (end === 0) {
      this.#hold(bytes);
      return "";
    }
    const text = this.#release(bytes.subarray(0, end));
    this.#hold(bytes.subarray(end));
    return text;
  }

  rest(): string {
    return this.#release(new Uint8Array(0));
  }

  #hold(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#heldBytes += bytes.length;
    if (this.#heldBytes > this.#lineBytesMax)
      throw new FramingError(`a line is longer than ${this.#lineBytesMax} bytes`);
    this.#held.push(bytes);
  }

  #release(bytes: Uint8Array): string {
    if (this.#heldBytes === 0) return decoder.decode(bytes);
    const text = decoder.decode(Buffer.concat([...this.#held, bytes]));
    this.#held = [];
    this.#heldBytes = 0;
    return text;
  }
}
