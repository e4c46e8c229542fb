// Header blocks of requests: HPACK, RFC 7541. One for each connection, since blocks refer to what earlier ones brought.
import { ConnectionError, ErrorCode } from "../error-code.ts";
import { headerTableDefaultBytes } from "../frame.ts";
import { decodeHuffman } from "./huffman.ts";
import { staticTable } from "./static-table.ts";

export type HeaderField = {
  readonly name: string;
  readonly value: string;
  /** As HPACK counts it: name and value in bytes, and 32. */
  readonly size: number;
};

/** The size of the dynamic table that we offer: the default, which is what a peer uses before it knows better. */
const tableBytesMax = headerTableDefaultBytes;
const fieldOverheadBytes = 32;
/** More than four bytes of continuation do not fit what lengths and indices can be. */
const integerShiftMax = 28;

const staticFields: readonly HeaderField[] = staticTable.map(([name, value]) => toField(name, value));

export class HeaderDecoder {
  /** Oldest first; index 62 is the last. */
  readonly #dynamic: HeaderField[] = [];
  #dynamicBytes = 0;
  #bytesMax = tableBytesMax;
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;

  /**
   * Calls `take` for each field of a whole block, in order. Always to the end, since the next block needs what this one
   * brings. Throws `ConnectionError` COMPRESSION_ERROR.
   */
  decode(block: Buffer, take: (field: HeaderField) => void): void {
    this.#bytes = block;
    this.#at = 0;
    let mayResize = true;
    while (this.#at < block.length) {
      const first = block[this.#at] ?? 0;
      if ((first & 0xe0) === 0x20) {
        if (!mayResize) throw broken("a table size in the middle of a block");
        this.#resize(this.#readInteger(5));
        continue;
      }
      mayResize = false;
      take(this.#readField(first));
    }
  }

  #readField(first: number): HeaderField {
    if (first >= 0x80) return this.#fieldAt(this.#readInteger(7));
    const isKept = first >= 0x40;
    const index = this.#readInteger(isKept ? 6 : 4);
    const name = index === 0 ? this.#readText() : this.#fieldAt(index).name;
    const field = toField(name, this.#readText());
    if (isKept) this.#keep(field);
    return field;
  }

  #fieldAt(index: number): HeaderField {
    const dynamic = this.#dynamic;
    const field =
      index <= staticFields.length ? staticFields[index - 1] : dynamic[dynamic.length - (index - staticFields.length)];
    if (field === undefined) throw broken("an index that is not in the tables");
    return field;
  }

  /** Section 5.1. */
  #readInteger(prefixBits: number): number {
    const prefixMax = (1 << prefixBits) - 1;
    let value = (this.#bytes[this.#at++] ?? 0) & prefixMax;
    if (value < prefixMax) return value;
    for (let shift = 0; ; shift += 7) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined || shift >= integerShiftMax) throw broken("an integer that does not end");
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  }

  /** Section 5.2. */
  #readText(): string {
    const isHuffman = ((this.#bytes[this.#at] ?? 0) & 0x80) !== 0;
    const length = this.#readInteger(7);
    const start = this.#at;
    const end = start + length;
    if (end > this.#bytes.length) throw broken("a text that is longer than its block");
    this.#at = end;
    if (!isHuffman) return this.#bytes.toString("latin1", start, end);
    const text = decodeHuffman(this.#bytes, start, end);
    if (text === undefined) throw broken("a text that is no Huffman code");
    return text;
  }

  /** Section 4.4: a field that is larger than the table empties it. */
  #keep(field: HeaderField): void {
    this.#dynamic.push(field);
    this.#dynamicBytes += field.size;
    this.#evict();
  }

  #resize(bytesMax: number): void {
    if (bytesMax > tableBytesMax) throw broken("a table that is larger than was offered");
    this.#bytesMax = bytesMax;
    this.#evict();
  }

  #evict(): void {
    let count = 0;
    while (this.#dynamicBytes > this.#bytesMax) this.#dynamicBytes -= this.#dynamic[count++]?.size ?? 0;
    if (count > 0) this.#dynamic.splice(0, count);
  }
}

function toField(name: string, value: string): HeaderField {
  return { name, value, size: name.length + value.length + fieldOverheadBytes };
}

function broken(what: string): ConnectionError {
  return new ConnectionError(ErrorCode.COMPRESSION_ERROR, `the header block has ${what}`);
}
