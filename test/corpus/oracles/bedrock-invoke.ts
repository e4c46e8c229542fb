import type { Observed } from "../observed.ts";
import { textAt } from "../raw-json.ts";
import * as messages from "./anthropic-messages.ts";
import { framesOf } from "./event-stream.ts";

/** A whole message, as in the Messages API. */
export function observeWhole(body: Uint8Array): Observed {
  return messages.observeWhole(body);
}

/** The chunks of InvokeModelWithResponseStream hold the events of the Messages API. */
export function observeStream(body: Uint8Array): Observed {
  return messages.observeStream(toSse(body));
}

export function hasEnd(body: Uint8Array): boolean {
  return messages.hasEnd(toSse(body));
}

function toSse(body: Uint8Array): Uint8Array {
  const events = framesOf(body).map(({ payload }) => Buffer.from(textAt(payload, "bytes"), "base64").toString("utf8"));
  return new TextEncoder().encode(events.map((event) => `data: ${event}\n\n`).join(""));
}
