import type { OutgoingHttpHeaders } from "node:http2";
import type { CallFailure } from "../../domain/call-failure.ts";
import type { Stream } from "../http2/stream.ts";
import { encodeStatus, toStatus } from "../status.ts";

/** The compressions of requests that every path takes; responses are never compressed. */
const acceptedEncodings = "identity,gzip";

/** Adds response headers that are known before the first message. */
type HeaderSource = { addHeaders(headers: OutgoingHttpHeaders): void };

const noFrames = Buffer.alloc(0);
const succeeded: OutgoingHttpHeaders = { "grpc-status": "0" };

/** The response side of one gRPC call. Every method does nothing once the stream is gone or the call has ended. */
export class GrpcReply {
  readonly #stream: Stream;
  readonly #headers: OutgoingHttpHeaders;
  #hasEnded = false;
  /** Asked when the headers leave. */
  #headerSource: HeaderSource | undefined;

  constructor(stream: Stream, contentType: string) {
    this.#stream = stream;
    this.#headers = { ":status": 200, "content-type": contentType, "grpc-accept-encoding": acceptedEncodings };
  }

  /** The status was sent, or could not be any more. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** The stream takes no more for now. */
  get isFull(): boolean {
    return this.#stream.isFull;
  }

  takeHeadersFrom(source: HeaderSource): void {
    this.#headerSource = source;
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
    this.#stream.end(frames, succeeded);
  }

  /** Ends with the status of the failure; `frames` may be empty. */
  fail(failure: CallFailure, frames: Buffer = noFrames): void {
    if (this.#isWritable()) {
      this.end(toTrailers(failure), frames);
    }
  }

  /** Ends with these trailers, in the headers when nothing was sent before; `frames` may be empty. */
  end(trailers: OutgoingHttpHeaders, frames: Buffer = noFrames): void {
    if (!this.#isWritable()) {
      return;
    }
    this.#hasEnded = true;
    if (this.#stream.headersSent || frames.length > 0) {
      this.#sendHeaders();
      this.#stream.end(frames, trailers);
    } else {
      this.#stream.respond({ ...this.#completeHeaders(), ...trailers }, true);
    }
  }

  #isWritable(): boolean {
    return !this.#hasEnded && !this.#stream.isClosed;
  }

  #sendHeaders(): void {
    if (!this.#stream.headersSent) {
      this.#stream.respond(this.#completeHeaders());
    }
  }

  #completeHeaders(): OutgoingHttpHeaders {
    this.#headerSource?.addHeaders(this.#headers);
    return this.#headers;
  }
}

function toTrailers(failure: CallFailure): OutgoingHttpHeaders {
  const status = toStatus(failure);
  return {
    ...toStatusTrailers(status.code, status.message, encodeStatus(status)),
    "grpc-retry-pushback-ms": String(status.retryPushbackMs),
  };
}

/** `status`: the bytes of a `google.rpc.Status`. */
export function toStatusTrailers(code: number, message: string, status: Uint8Array): OutgoingHttpHeaders {
  return {
    "grpc-status": String(code),
    "grpc-message": percentEncode(message),
    "grpc-status-details-bin": Buffer.from(status).toString("base64").replace(/=+$/, ""),
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
