import type { IncomingMessage } from "node:http";

/** Gathers a request's body; gives `undefined` when it is longer than `bytesMax`, and nothing when the client goes. */
export function readBody(request: IncomingMessage, bytesMax: number, done: (body: Buffer | undefined) => void): void {
  const chunks: Buffer[] = [];
  let length = 0;
  request.on("data", (chunk: Buffer) => {
    length += chunk.length;
    // The rest is read and thrown away, so that the refusal can be sent.
    if (length <= bytesMax) chunks.push(chunk);
    else chunks.length = 0;
  });
  request.on("end", () => {
    const [only] = chunks;
    if (length > bytesMax) done(undefined);
    else done(chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks));
  });
  request.on("error", () => {
    // The client has gone: there is nobody to answer.
    chunks.length = 0;
  });
}
