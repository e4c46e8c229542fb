// Reads a segment from its beginning, or from the start of some frame, in pieces of bounded memory.
import { type Frame, frameOverheadBytes, payloadBytesMax, readFrame } from "./frame.ts";
import type { JournalFiles } from "./journal-files.ts";

const chunkBytes = 1 << 20;
const bufferBytes = chunkBytes + payloadBytesMax + frameOverheadBytes;

export type ScanResult = {
  /** Offset behind the last whole frame that was read. */
  readonly end: number;
  /** True when bytes follow that are not a frame: the torn tail of a crash. */
  readonly torn: boolean;
};

/** Hears a frame and its offset in the file; the payload is valid during the call only. */
export type FrameVisitor = (frame: Frame, offset: number) => "stop" | undefined;

/**
 * Visits each frame from `from`, the start of a frame, to the first bad frame, the end of the file, `until` (the start of
 * a frame too), or until `visit` returns "stop".
 */
export async function scanSegment(
  files: JournalFiles,
  path: string,
  from: number,
  visit: FrameVisitor,
  until: number = Number.POSITIVE_INFINITY,
): Promise<ScanResult> {
  const file = await files.openToRead(path);
  try {
    const buffer = Buffer.allocUnsafe(bufferBytes);
    let held = 0; // bytes in the buffer, of which the first stands at `base` in the file
    let base = from;
    for (;;) {
      const read = base + held >= until ? 0 : await file.read(buffer.subarray(0, held + chunkBytes), held, base + held);
      held = Math.min(held + read, until - base);
      const { at, ended } = visitFrames(buffer.subarray(0, held), base, visit);
      if (ended !== undefined) return { end: base + at, torn: ended === "bad" };
      if (read === 0) return { end: base + at, torn: at < held };
      buffer.copyWithin(0, at, held);
      base += at;
      held -= at;
    }
  } finally {
    await file.close();
  }
}

/** Visits the whole frames of a piece of the file that begins at `base`; `at` is the offset in the piece after them. */
function visitFrames(
  bytes: Buffer,
  base: number,
  visit: FrameVisitor,
): { readonly at: number; readonly ended: "bad" | "stop" | undefined } {
  let at = 0;
  for (;;) {
    const frame = readFrame(bytes, at);
    if (frame === "bad") return { at, ended: "bad" };
    if (frame === "short") return { at, ended: undefined };
    const wish = visit(frame, base + at);
    at = frame.end;
    if (wish === "stop") return { at, ended: "stop" };
  }
}
