import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import { percentEncode } from "../grpc/grpc-reply.ts";

/**
 * A gRPC response whose status message escapes no more than gRPC asks for. connect-node escapes commas and colons too, and
 * clients of grpc-js, which decode with `decodeURI`, would show them as "%2C" (@connectrpc/connect 2.2, @grpc/grpc-js 1.14).
 */
export function withPlainGrpcMessage(response: UniversalServerResponse): UniversalServerResponse {
  const { body, trailer } = response;
  return body === undefined || trailer === undefined ? response : { ...response, body: rewriting(body, trailer) };
}

/** The trailers are complete when the body has ended. */
async function* rewriting(body: AsyncIterable<Uint8Array>, trailer: Headers): AsyncIterable<Uint8Array> {
  yield* body;
  const message = trailer.get("grpc-message");
  if (message !== null) {
    trailer.set("grpc-message", percentEncode(decodeURIComponent(message)));
  }
}
