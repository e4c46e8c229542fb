// Where encoders write: one growing buffer, used over and over. Protocol Buffers wire format, as far as an encoder needs
// it (https://protobuf.dev/programming-guides/encoding/).

const firstBytes = 4_096;
/** Beyond this length the native UTF-8 encoder is faster than a loop over the characters. */
const loopCharactersMax = 48;

export class Slab {
  #bytes = Buffer.allocUnsafeSlow(firstBytes);
  #end = 0;

  /** A copy of everything since the last call. */
  take(): Uint8Array {
    const taken = Buffer.allocUnsafe(this.#end);
    this.#bytes.copy(taken, 0, 0, this.#end);
    this.#end = 0;
    return taken;
  }

  /** Forgets what was written, after an encoder threw. */
  reset(): void {
    this.#end = 0;
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#end++] = value;
  }

  bool(value: boolean): void {
    this.byte(value ? 1 : 0);
  }

  /** Number and wire type of a field: mostly one byte. */
  tag(value: number): void {
    if (value > 0x7f) {
      this.varint(value);
      return;
    }
    this.#reserve(1);
    this.#bytes[this.#end++] = value;
  }

  /** Unsigned, up to 2^53. */
  varint(value: number): void {
    this.#reserve(10);
    let rest = value;
    while (rest > 0x7f) {
      this.#bytes[this.#end++] = rest > 0x7fffffff ? (rest % 128) | 0x80 : (rest & 0x7f) | 0x80;
      rest = rest > 0x7fffffff ? Math.floor(rest / 128) : rest >>> 7;
    }
    this.#bytes[this.#end++] = rest;
  }

  /** int32 and enums: a negative number takes ten bytes. */
  int32(value: number): void {
    if (value >= 0) this.varint(value);
    else this.int64(BigInt(value));
  }

  int64(value: bigint): void {
    if (value >= 0n && value <= Number.MAX_SAFE_INTEGER) {
      this.varint(Number(value));
      return;
    }
    this.#reserve(10);
    let rest = BigInt.asUintN(64, value);
    while (rest > 0x7fn) {
      this.#bytes[this.#end++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#bytes[this.#end++] = Number(rest);
  }

  double(value: number): void {
    this.#reserve(8);
    this.#end = this.#bytes.writeDoubleLE(value, this.#end);
  }

  float(value: number): void {
    this.#reserve(4);
    this.#end = this.#bytes.writeFloatLE(value, this.#end);
  }

  bytes(value: Uint8Array): void {
    this.varint(value.length);
    this.raw(value);
  }

  raw(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#bytes.set(value, this.#end);
    this.#end += value.length;
  }

  string(text: string): void {
    if (text.length <= loopCharactersMax && this.#ascii(text)) return;
    const bytes = Buffer.byteLength(text, "utf8");
    this.varint(bytes);
    this.#reserve(bytes);
    this.#end += this.#bytes.write(text, this.#end, bytes, "utf8");
  }

  /** Begins something whose length stands before it; give the result to `endLength`. */
  beginLength(): number {
    this.byte(0);
    return this.#end;
  }

  endLength(begin: number): void {
    const length = this.#end - begin;
    if (length < 0x80) {
      this.#bytes[begin - 1] = length;
      return;
    }
    const more = varintBytes(length) - 1;
    this.#reserve(more);
    this.#bytes.copyWithin(begin + more, begin, this.#end);
    this.#end = begin - 1;
    this.varint(length);
    this.#end += length;
  }

  /** Writes the text as ASCII; false, with nothing written, when it is none. */
  #ascii(text: string): boolean {
    const { length } = text;
    this.#reserve(length + 1);
    const bytes = this.#bytes;
    const begin = this.#end + 1;
    for (let index = 0; index < length; index++) {
      const code = text.charCodeAt(index);
      if (code > 0x7f) return false;
      bytes[begin + index] = code;
    }
    bytes[this.#end] = length;
    this.#end = begin + length;
    return true;
  }

  #reserve(bytes: number): void {
    const needed = this.#end + bytes;
    if (needed <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(grown, 0, 0, this.#end);
    this.#bytes = grown;
  }
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 128)) bytes += 1;
  return bytes;
}
