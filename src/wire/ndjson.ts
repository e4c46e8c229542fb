import type { FrameLimits } from "./frame-limits.ts";
import { isLongerThan } from "./is-longer-than.ts";
import { isWhole } from "./is-whole.ts";
import { createLineAssembler } from "./line-assembler.ts";
import { type FrameDecoder, FramingError, type WireEvent } from "./wire-event.ts";

/** One JSON text a line (`application/x-ndjson`). Blank lines are skipped; a last line without its end counts if it is whole. */
export function createNdjsonDecoder(limits: FrameLimits): FrameDecoder {
  const lines = createLineAssembler(limits.eventBytesMax);

  return {
    push(bytes) {
      return toEvents(lines.take(bytes), limits.eventBytesMax);
    },
    finish() {
      return toEvents(lines.rest(), limits.eventBytesMax).filter((event) => isWhole(event.data));
    },
  };
}

function toEvents(text: string, eventBytesMax: number): readonly WireEvent[] {
  const events: WireEvent[] = [];
  for (const line of text.split(/[\r\n]+/)) {
    const data = line.trim(); // JSON whitespace; also the BOM that some files begin with.
    if (data === "") continue;
    if (isLongerThan(line, eventBytesMax)) throw new FramingError(`a line is longer than ${eventBytesMax} bytes`);
    events.push({ name: "", data, origin: "event" });
  }
  return events;
}
