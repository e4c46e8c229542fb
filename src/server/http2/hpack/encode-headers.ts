// Header blocks of responses: HPACK without a table of our own. Our headers are few, and what repeats is written from a
// cache of its bytes; so there is no state to keep on either side, and a block costs one copy for each field.
import type { OutgoingHttpHeaders } from "node:http2";
import { staticTable } from "./static-table.ts";

/** Names that were seen once; the services of the contract have some twenty. Past it, names are written without a cache. */
const cachedNamesMax = 256;
const integerBytesMax = 6;

type CachedName = {
  /** The literal's head: its type, and the name or its index. */
  readonly head: Buffer;
  lastValue: string | undefined;
  /** The whole field with that value, once it has come twice. */
  lastField: Buffer | undefined;
};

const cachedNames = new Map<string, CachedName>();
const staticIndices = new Map<string, number>();
const staticFields = new Map<string, number>();
for (const [position, [name, value]] of staticTable.entries()) {
  if (!staticIndices.has(name)) staticIndices.set(name, position + 1);
  if (value !== "") staticFields.set(`${name}\n${value}`, position + 1);
}

/** Holds the block that was made last: it is copied before the next one is made. */
let scratch = Buffer.allocUnsafeSlow(4096);
let length = 0;

/**
 * The block of these headers; valid until the next call. Names are written in lower case. Throws `TypeError` for a value
 * with a line end or beyond Latin-1, which would be another header, or another value, for the reader.
 */
export function encodeHeaders(headers: OutgoingHttpHeaders): Buffer {
  length = 0;
  for (const name in headers) {
    const value = headers[name];
    if (value === undefined) continue;
    if (Array.isArray(value)) {
      for (const one of value) writeField(name, one);
    } else {
      writeField(name, typeof value === "string" ? value : String(value));
    }
  }
  return scratch.subarray(0, length);
}

function writeField(name: string, value: string): void {
  const cached = cachedNames.get(name) ?? cacheName(name);
  if (cached.lastValue !== value) {
    cached.lastValue = value;
    cached.lastField = undefined;
    writeLiteral(cached.head, name, value);
    return;
  }
  cached.lastField ??= toField(cached.head, name, value);
  makeRoom(cached.lastField.length);
  scratch.set(cached.lastField, length);
  length += cached.lastField.length;
}

function writeLiteral(head: Buffer, name: string, value: string): void {
  assertSendable(name, value);
  makeRoom(head.length + integerBytesMax + value.length);
  scratch.set(head, length);
  length = writeInteger(scratch, length + head.length, 0x00, 7, value.length);
  length += scratch.write(value, length, "latin1");
}

/** For a value that comes again and again. */
function toField(head: Buffer, name: string, value: string): Buffer {
  const index = staticFields.get(`${name}\n${value}`);
  if (index !== undefined) return toInteger(0x80, 7, index);
  assertSendable(name, value);
  return Buffer.concat([head, toText(value)]);
}

function cacheName(name: string): CachedName {
  const lowered = name.toLowerCase();
  const index = staticIndices.get(lowered);
  // "Literal Header Field without Indexing", section 6.2.2.
  const head = index === undefined ? Buffer.concat([Buffer.from([0]), toText(lowered)]) : toInteger(0x00, 4, index);
  const cached: CachedName = { head, lastValue: undefined, lastField: undefined };
  if (cachedNames.size < cachedNamesMax) cachedNames.set(name, cached);
  return cached;
}

function makeRoom(bytes: number): void {
  if (length + bytes <= scratch.length) return;
  const larger = Buffer.allocUnsafeSlow(2 * (length + bytes));
  larger.set(scratch.subarray(0, length));
  scratch = larger;
}

function assertSendable(name: string, value: string): void {
  if (/[\0\r\n]|[^\0-\xff]/.test(value)) throw new TypeError(`the header ${name} has a value that cannot be sent`);
}

function toText(text: string): Buffer {
  return Buffer.concat([toInteger(0x00, 7, text.length), Buffer.from(text, "latin1")]);
}

function toInteger(pattern: number, prefixBits: number, value: number): Buffer {
  const bytes = Buffer.alloc(integerBytesMax);
  return bytes.subarray(0, writeInteger(bytes, 0, pattern, prefixBits, value));
}

/** Section 5.1; gives where the next byte goes. */
function writeInteger(bytes: Buffer, start: number, pattern: number, prefixBits: number, value: number): number {
  const prefixMax = (1 << prefixBits) - 1;
  let at = start;
  if (value < prefixMax) {
    bytes[at++] = pattern | value;
    return at;
  }
  bytes[at++] = pattern | prefixMax;
  let rest = value - prefixMax;
  for (; rest >= 0x80; rest >>>= 7) bytes[at++] = (rest & 0x7f) | 0x80;
  bytes[at++] = rest;
  return at;
}
