import { randomUUID } from "node:crypto";
import { ErrorReason } from "../contract.ts";
import { CallFailure } from "../domain/call-failure.ts";
import type { ServerLogger } from "./server-logger.ts";

/**
 * What a caller hears of something thrown. A `CallFailure` passes; anything else is a bug of ours: its name and place are
 * logged with the id that the caller gets, and nothing of it is told. `requestId` "" makes an id.
 */
export function toCallFailure(thrown: unknown, logger: ServerLogger, requestId = ""): CallFailure {
  if (thrown instanceof CallFailure) {
    return thrown;
  }
  const id = requestId === "" ? randomUUID() : requestId;
  logger.error({ requestId: id, ...describe(thrown) }, "unexpected failure while serving a call");
  return new CallFailure(ErrorReason.INTERNAL, "internal error", { metadata: { requestId: id }, cause: thrown });
}

/** Without the message of the error, since that may quote what a caller sent (as `JSON.parse` does). */
function describe(thrown: unknown): { readonly error: string; readonly frames: readonly string[] } {
  if (!(thrown instanceof Error)) {
    return { error: typeof thrown, frames: [] };
  }
  const frames = (thrown.stack ?? "").split("\n").filter((line) => line.startsWith("    at "));
  return { error: thrown.name, frames: frames.map((line) => line.trim()) };
}
