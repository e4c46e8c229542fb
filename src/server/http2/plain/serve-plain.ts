import type { IncomingHttpHeaders } from "node:http2";
import type { Stream } from "../stream.ts";
import { Http2Request } from "./http2-request.ts";
import { Http2Response } from "./http2-response.ts";

/** Hands a stream to a handler that is written for Node's requests and responses. */
export function servePlain(
  stream: Stream,
  headers: IncomingHttpHeaders,
  handle: (request: Http2Request, response: Http2Response) => void,
): void {
  const request = new Http2Request(stream, headers);
  const response = new Http2Response(stream, request.method === "HEAD");
  stream.listen({
    onData: (chunk) => request.push(chunk),
    onEnd: () => void request.push(null),
    onDrain: () => response.streamDrained(),
    onClose: () => {
      request.destroy();
      response.streamClosed();
    },
  });
  handle(request, response);
}
