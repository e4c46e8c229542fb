import type { Readable } from "node:stream";
import { ErrorReason } from "../../contract.ts";
import { CallFailure } from "../../domain/call-failure.ts";
import { tooLarge } from "../grpc/message-reader.ts";

/**
 * The whole body of a message of at most `bytesMax` bytes and its envelope, or why there is none. Past that the rest is read
 * and thrown away, so that an answer can be sent.
 */
export function collectBody(request: Readable, bytesMax: number, envelopeBytes: number): Promise<Buffer | CallFailure> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const onData = (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > bytesMax + envelopeBytes) {
        request.off("data", onData);
        request.resume();
        resolve(tooLarge(bytesMax));
        return;
      }
      chunks.push(chunk);
    };
    request.on("data", onData);
    request.on("end", () => resolve(Buffer.concat(chunks)));
    request.on("error", () => resolve(gone()));
    request.on("close", () => resolve(gone()));
  });
}

function gone(): CallFailure {
  return new CallFailure(ErrorReason.CANCELLED, "the caller has gone");
}
