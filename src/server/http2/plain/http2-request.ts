// A request as Node's handlers know it, for everything that does not run on `Stream` itself: connect-node, the plain
// addresses. It has of `Http2ServerRequest` what they read.
import type { IncomingHttpHeaders } from "node:http2";
import type { Socket } from "node:net";
import { Readable } from "node:stream";
import type { Stream } from "../stream.ts";

export class Http2Request extends Readable {
  readonly httpVersion = "2.0";
  readonly httpVersionMajor = 2;
  readonly httpVersionMinor = 0;
  readonly stream: Stream;
  readonly headers: IncomingHttpHeaders;

  constructor(stream: Stream, headers: IncomingHttpHeaders) {
    // "close" is the stream's, and not the end of its request.
    super({ autoDestroy: false });
    this.stream = stream;
    this.headers = headers;
  }

  get method(): string {
    return String(this.headers[":method"]);
  }

  get url(): string {
    return String(this.headers[":path"]);
  }

  get authority(): string {
    return String(this.headers[":authority"] ?? this.headers.host ?? "");
  }

  get socket(): Socket {
    return this.stream.socket;
  }

  override _read(): void {
    this.stream.resume();
  }
}
