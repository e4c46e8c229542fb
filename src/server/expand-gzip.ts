import { gunzip } from "node:zlib";
import { ErrorReason } from "../contract.ts";
import { CallFailure } from "../domain/call-failure.ts";
import { tooLarge } from "./grpc/message-reader.ts";

/**
 * Off the main thread, and never to more than `bytesMax` bytes: a few bytes of gzip can claim any size. Rejects with
 * `CallFailure` PAYLOAD_TOO_LARGE, or INVALID_REQUEST for what is no gzip or was cut off. Nothing at all is an empty message,
 * as connect-go and connect-node have it.
 */
export function expandGzip(bytes: Uint8Array, bytesMax: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    if (bytes.length === 0) {
      resolve(Buffer.alloc(0));
      return;
    }
    gunzip(bytes, { maxOutputLength: bytesMax }, (error, expanded) => {
      if (error === null) {
        resolve(expanded);
      } else {
        reject(isTooLong(error) ? tooLarge(bytesMax) : unreadable(error));
      }
    });
  });
}

function isTooLong(error: NodeJS.ErrnoException): boolean {
  return error.code === "ERR_BUFFER_TOO_LARGE";
}

function unreadable(cause: Error): CallFailure {
  const description = "cannot be expanded as gzip";
  return new CallFailure(ErrorReason.INVALID_REQUEST, `the request ${description}`, {
    violations: [{ field: "", description }],
    cause,
  });
}
