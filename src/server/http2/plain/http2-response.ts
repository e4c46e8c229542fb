import type { OutgoingHttpHeaders } from "node:http2";
import { Writable } from "node:stream";
import type { Stream } from "../stream.ts";

/** A response as Node's handlers know it: of `Http2ServerResponse` what connect-node and the plain addresses call. */
export class Http2Response extends Writable {
  readonly #stream: Stream;
  /** Of a HEAD request: the headers alone. */
  readonly #isBodiless: boolean;
  #head: OutgoingHttpHeaders = { ":status": 200 };
  #trailers: OutgoingHttpHeaders | undefined;
  #whenDrained: (() => void) | undefined;
  #isEnding = false;

  constructor(stream: Stream, isBodiless: boolean) {
    super();
    this.#stream = stream;
    this.#isBodiless = isBodiless;
    // A caller that goes is seen as "close"; whoever waits for a write hears of it as well.
    this.on("error", () => undefined);
  }

  get headersSent(): boolean {
    return this.#stream.headersSent;
  }

  writeHead(status: number, headers: OutgoingHttpHeaders = {}): this {
    this.#head = { ":status": status, ...headers };
    if (!this.#isBodiless) this.#stream.respond(this.#head);
    return this;
  }

  addTrailers(trailers: OutgoingHttpHeaders): void {
    this.#trailers = { ...this.#trailers, ...trailers };
  }

  /** For the stream's listener. */
  streamDrained(): void {
    const whenDrained = this.#whenDrained;
    this.#whenDrained = undefined;
    whenDrained?.();
  }

  /** For the stream's listener. */
  streamClosed(): void {
    if (!this.#isEnding) this.destroy(new Error("the stream was closed"));
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error) => void): void {
    if (this.#isBodiless) {
      done();
      return;
    }
    this.#stream.respond(this.#head);
    if (this.#stream.write(chunk)) {
      done();
    } else {
      this.#whenDrained = done;
    }
  }

  override _final(done: () => void): void {
    this.#isEnding = true;
    if (this.#isBodiless) {
      this.#stream.respond(this.#head, true);
    } else {
      this.#stream.respond(this.#head);
      this.#stream.end(undefined, this.#trailers);
    }
    done();
  }
}
