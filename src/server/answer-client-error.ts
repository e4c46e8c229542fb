import type { Duplex } from "node:stream";

/** Why Node's HTTP/1.1 parser gave up on a connection, as a status and Connect's form of an error. */
const answers: ReadonlyMap<string | undefined, readonly [string, string]> = new Map([
  ["HPE_HEADER_OVERFLOW", ["431 Request Header Fields Too Large", "the request headers are too large"]],
  ["ERR_HTTP_REQUEST_TIMEOUT", ["408 Request Timeout", "the request took too long to arrive"]],
]);

/** Listener of "clientError": answers if it still can, and closes. */
export function answerClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, message] = answers.get(error.code) ?? ["400 Bad Request", "this is not HTTP"];
  const body = JSON.stringify({ code: "invalid_argument", message });
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`,
  );
}
