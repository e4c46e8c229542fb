// What the owner of a call says to a replica that asked for it, in frames of four bytes of length, one of kind, and the rest.

/** Each is said once at most, but `event`. */
export const frameKinds = {
  /** First of all: one byte, 1 when the call is over. */
  accepted: 1,
  /** A `StreamCompleteResponse`. */
  event: 2,
  /** The outcome whole; the last frame. */
  outcome: 3,
  /** The stream ended well; the last frame. */
  succeeded: 4,
  /** The stream failed; the last frame. */
  failed: 5,
  /** There is no such call here; the only frame. */
  unknown: 6,
  /** The events after the cursor are not kept; the only frame. */
  expired: 7,
} as const;

export type FrameKind = (typeof frameKinds)[keyof typeof frameKinds];

const headBytes = 5;
const nothing = new Uint8Array();

export function toFrame(kind: FrameKind, body: Uint8Array = nothing): Uint8Array {
  const frame = Buffer.allocUnsafe(headBytes + body.length);
  frame.writeUInt32BE(body.length, 0);
  frame[4] = kind;
  frame.set(body, headBytes);
  return frame;
}

/** Cuts frames out of bytes that come in any pieces. */
export class FrameReader {
  readonly #bodyBytesMax: number;
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  /** Bytes of head and body of the frame that comes; `undefined`: not known yet. */
  #wanted: number | undefined;

  constructor(bodyBytesMax: number) {
    this.#bodyBytesMax = bodyBytesMax;
  }

  /** The frames that are whole now. Throws when one is larger than allowed. */
  push(bytes: Uint8Array): readonly { readonly kind: number; readonly body: Uint8Array }[] {
    this.#pieces.push(bytes);
    this.#bytes += bytes.length;
    const frames: { kind: number; body: Uint8Array }[] = [];
    while (this.#bytes >= (this.#wanted ?? headBytes)) {
      const all = this.#joined();
      const bodyBytes = all.readUInt32BE(0);
      if (bodyBytes > this.#bodyBytesMax) throw new Error("a frame is larger than allowed");
      this.#wanted = headBytes + bodyBytes;
      if (all.length < this.#wanted) break;
      frames.push({ kind: all[4] ?? 0, body: all.subarray(headBytes, this.#wanted) });
      this.#keep(all.subarray(this.#wanted));
      this.#wanted = undefined;
    }
    return frames;
  }

  #joined(): Buffer {
    const [first] = this.#pieces;
    const isOne = first !== undefined && this.#pieces.length === 1;
    const all = isOne
      ? Buffer.from(first.buffer, first.byteOffset, first.byteLength)
      : Buffer.concat(this.#pieces, this.#bytes);
    this.#keep(all);
    return all;
  }

  #keep(rest: Uint8Array): void {
    this.#pieces = rest.length === 0 ? [] : [rest];
    this.#bytes = rest.length;
  }
}
