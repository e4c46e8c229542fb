// A file of the journal: `journal-<boot id>-<ordinal>.seg`. The ordinal goes on over all lives of a folder, so that the
// order of files does not depend on a clock; the boot id says whose life wrote it. Only the life that made a segment
// appends to it.
import { basename } from "node:path";

export type Segment = {
  readonly ordinal: number;
  readonly bootId: string;
  readonly path: string;
  /** Bytes of whole, durable frames. */
  bytes: number;
  /** FINAL records that are not known to be delivered. */
  undelivered: number;
  /** START records whose call has not ended. */
  open: number;
  /** Unix milliseconds of the last write. */
  lastWriteMs: number;
};

const ordinalDigits = 10;
const namePattern = /^journal-([0-9a-f-]{36})-(\d{10})\.seg$/;

export function segmentName(bootId: string, ordinal: number): string {
  return `journal-${bootId}-${String(ordinal).padStart(ordinalDigits, "0")}.seg`;
}

/** What the name of a file says; `undefined` when it is not a segment. */
export function parseSegmentName(path: string): { readonly bootId: string; readonly ordinal: number } | undefined {
  const found = namePattern.exec(basename(path));
  const bootId = found?.[1];
  return bootId === undefined ? undefined : { bootId, ordinal: Number(found?.[2]) };
}
