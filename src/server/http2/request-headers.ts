// What makes a list of fields a request, or trailers of one: RFC 9113, sections 8.1 to 8.3.
import type { IncomingHttpHeaders } from "node:http2";
import type { HeaderField } from "./hpack/header-decoder.ts";

const pseudoNames: ReadonlySet<string> = new Set([":method", ":scheme", ":authority", ":path"]);
/** Section 8.2.2: they belong to a connection of HTTP/1.1. */
const connectionNames: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);
const namePattern = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
const badValuePattern = /[\0\r\n]/;

/** Gathers one block. Fields past `listBytesMax` (names, values and 32 for each) are counted and not kept. */
export class RequestHeaders {
  readonly headers: IncomingHttpHeaders = Object.create(null);
  readonly #listBytesMax: number;
  #listBytes = 0;
  #textBytes = 0;
  #hasPseudo = false;
  #hasRegular = false;
  #isMalformed = false;

  constructor(listBytesMax: number) {
    this.#listBytesMax = listBytesMax;
  }

  /** The list is longer than was allowed, and `headers` incomplete. */
  get isTooLong(): boolean {
    return this.#listBytes > this.#listBytesMax;
  }

  /** A field that no request may have; `headers` is without it. */
  get isMalformed(): boolean {
    return this.#isMalformed;
  }

  /** Names and values alone. */
  get textBytes(): number {
    return this.#textBytes;
  }

  add(field: HeaderField): void {
    this.#listBytes += field.size;
    this.#textBytes += field.name.length + field.value.length;
    if (this.isTooLong) return;
    const { name, value } = field;
    const isPseudo = name.charCodeAt(0) === 0x3a;
    if (isPseudo ? !this.#mayBePseudo(name) : !mayBeRegular(name, value)) {
      this.#isMalformed = true;
      return;
    }
    if (isPseudo) {
      this.#hasPseudo = true;
    } else {
      this.#hasRegular = true;
    }
    if (badValuePattern.test(value)) {
      this.#isMalformed = true;
      return;
    }
    const before = this.headers[name];
    // One value that no scheme and no number allows, rather than the first or the last: a proxy before us may have checked
    // the other one.
    this.headers[name] = before === undefined ? value : `${String(before)}${name === "cookie" ? "; " : ", "}${value}`;
  }

  /** They are what a request begins with. */
  get isRequest(): boolean {
    const { headers } = this;
    const isConnect = headers[":method"] === "CONNECT";
    return (
      !this.#isMalformed &&
      headers[":method"] !== undefined &&
      (isConnect
        ? headers[":authority"] !== undefined && headers[":path"] === undefined
        : headers[":scheme"] !== undefined && headers[":path"] !== undefined && headers[":path"] !== "")
    );
  }

  get isTrailers(): boolean {
    return !this.#isMalformed && !this.#hasPseudo;
  }

  #mayBePseudo(name: string): boolean {
    return !this.#hasRegular && pseudoNames.has(name) && this.headers[name] === undefined;
  }
}

function mayBeRegular(name: string, value: string): boolean {
  return namePattern.test(name) && !connectionNames.has(name) && (name !== "te" || value === "trailers");
}
