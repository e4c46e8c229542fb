import type { Frame } from "./wire.ts";

/** A server-sent event that holds no piece of the answer. */
export function sseEvent(data: unknown, event?: string): Frame {
  return { bytes: toSse(data, event), piece: false };
}

/** A server-sent event with a piece of the answer. */
export function ssePiece(data: unknown, event?: string): Frame {
  return { bytes: toSse(data, event), piece: true };
}

function toSse(data: unknown, event: string | undefined): string {
  const text = typeof data === "string" ? data : JSON.stringify(data);
  return event === undefined ? `data: ${text}\n\n` : `event: ${event}\ndata: ${text}\n\n`;
}
