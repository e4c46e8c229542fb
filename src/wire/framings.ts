import { createAwsEventStreamDecoder } from "./aws-event-stream.ts";
import type { FrameLimits } from "./frame-limits.ts";
import { createNdjsonDecoder } from "./ndjson.ts";
import { createSseDecoder } from "./sse.ts";
import type { FrameDecoder } from "./wire-event.ts";

const framings = {
  sse: createSseDecoder,
  ndjson: createNdjsonDecoder,
  "aws-event-stream": createAwsEventStreamDecoder,
} as const satisfies Record<string, (limits: FrameLimits) => FrameDecoder>;

/** A fresh decoder for one stream's bytes. */
export function createDecoder(framing: keyof typeof framings, limits: FrameLimits): FrameDecoder {
  return framings[framing](limits);
}
