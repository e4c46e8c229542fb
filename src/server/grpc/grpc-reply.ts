import { constants, type OutgoingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import type { CallFailure } from "../../domain/call-failure.ts";
import { encodeStatus, toStatus } from "../status.ts";

/** What an authenticated call is known by, in the response headers. */
export type CallNames = { readonly correlationId: string; readonly responseId: string };

/** The response side of one gRPC call. Every method does nothing once the stream is gone or the call has ended. */
export class GrpcReply {
  readonly #stream: ServerHttp2Stream;
  readonly #headers: OutgoingHttpHeaders;
  #trailers: OutgoingHttpHeaders = { "grpc-status": "0" };
  #hasEnded = false;
  /** Read when the headers leave: a call that replays another one takes its name when it starts. */
  #names: CallNames | undefined;

  constructor(stream: ServerHttp2Stream, contentType: string) {
    this.#stream = stream;
    this.#headers = { ":status": 200, "content-type": contentType, "grpc-accept-encoding": "identity" };
  }

  /** The status was sent, or could not be any more. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Adds the headers that are known before the first message. */
  name(names: CallNames): void {
    this.#names = names;
  }

  /** False: the caller reads slowly, and the stream says "drain" when it has caught up; or it has gone, and says "close". */
  write(frames: Buffer): boolean {
    if (!this.#isWritable()) {
      return false;
    }
    this.#sendHeaders();
    return this.#stream.write(frames);
  }

  /** Ends with status OK; `frames` may be empty. */
  succeed(frames: Buffer): void {
    if (!this.#isWritable()) {
      return;
    }
    this.#hasEnded = true;
    this.#sendHeaders();
    this.#stream.end(frames.length === 0 ? undefined : frames);
  }

  /** Ends with the status of the failure: trailers only when nothing was sent yet. */
  fail(failure: CallFailure, frames: Buffer = Buffer.alloc(0)): void {
    if (!this.#isWritable()) {
      return;
    }
    this.#hasEnded = true;
    const trailers = toTrailers(failure);
    if (this.#stream.headersSent || frames.length > 0) {
      this.#trailers = trailers;
      this.#sendHeaders();
      this.#stream.end(frames.length === 0 ? undefined : frames);
      return;
    }
    this.#stream.respond({ ...this.#namedHeaders(), ...trailers }, { endStream: true });
    if (!this.#stream.readableEnded) {
      // The rest of the request is not wanted: RFC 9113, section 8.1.
      this.#stream.resume();
      this.#stream.close(constants.NGHTTP2_NO_ERROR);
    }
  }

  #isWritable(): boolean {
    return !this.#hasEnded && !this.#stream.destroyed && !this.#stream.closed;
  }

  #sendHeaders(): void {
    if (this.#stream.headersSent) {
      return;
    }
    this.#stream.once("wantTrailers", () => {
      if (!this.#stream.destroyed) {
        this.#stream.sendTrailers(this.#trailers);
      }
    });
    this.#stream.respond(this.#namedHeaders(), { waitForTrailers: true });
  }

  #namedHeaders(): OutgoingHttpHeaders {
    if (this.#names !== undefined) {
      this.#headers["x-request-id"] = toHeaderText(this.#names.correlationId);
      this.#headers["llmgateway-response-id"] = toHeaderText(this.#names.responseId);
    }
    return this.#headers;
  }
}

function toTrailers(failure: CallFailure): OutgoingHttpHeaders {
  const status = toStatus(failure);
  return {
    "grpc-status": String(status.code),
    "grpc-message": percentEncode(status.message),
    "grpc-status-details-bin": Buffer.from(encodeStatus(status)).toString("base64").replace(/=+$/, ""),
    "grpc-retry-pushback-ms": String(status.retryPushbackMs),
  };
}

/** gRPC over HTTP/2: all bytes of the UTF-8 form except printable ASCII other than "%". */
export function percentEncode(text: string): string {
  return /^[ -$&-~]*$/.test(text)
    ? text
    : Array.from(Buffer.from(text, "utf8"), (byte) =>
        byte >= 0x20 && byte <= 0x7e && byte !== 0x25
          ? String.fromCharCode(byte)
          : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`,
      ).join("");
}

/** What may stand in a header: the rest is left out. */
function toHeaderText(text: string): string {
  return text.replace(/[^ -~]/g, "");
}
