import { hash } from "node:crypto";
import type { RequestKey, ResponseKey } from "../../domain/shared-calls.ts";

/**
 * Keys of the bucket: the project is in each of them, so that no tenant comes across another's call; hashed, since a NATS
 * key may not hold what an id of a project may. Neither kind of id holds a line feed.
 */
export function requestKeyOf({ projectId, requestId }: RequestKey): string {
  return `request.${hash("sha256", `${projectId}\n${requestId}`, "hex")}`;
}

export function responseKeyOf({ projectId, responseId }: ResponseKey): string {
  return `response.${hash("sha256", `${projectId}\n${responseId}`, "hex")}`;
}

/** One piece of a kept outcome. */
export function pieceKeyOf(key: ResponseKey, piece: number): string {
  return `${responseKeyOf(key)}.${piece}`;
}
