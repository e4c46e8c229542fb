// InvokeModelWithResponseStream for Anthropic's models: the events of the Messages API, each in base64 within a `chunk`.
import { toMessageFrames } from "../anthropic/messages-answer.ts";
import type { Script } from "../script.ts";
import type { Frame } from "../wire.ts";
import { toEventFrame } from "./event-frame.ts";

export function toInvokeFrames(script: Script): readonly Frame[] {
  return toMessageFrames(script).map(({ bytes, piece }) => ({ bytes: toChunk(String(bytes)), piece }));
}

/** `p` is padding that hides the length of the text; here always the same. */
function toChunk(serverSentEvent: string): Uint8Array {
  const event = /^data: (.*)$/m.exec(serverSentEvent)?.[1] ?? "{}";
  const headers = { ":event-type": "chunk", ":content-type": "application/json", ":message-type": "event" };
  return toEventFrame(headers, { bytes: Buffer.from(event).toString("base64"), p: "abcdefgh" });
}
