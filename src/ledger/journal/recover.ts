// What earlier lives left behind: reads every segment of a folder and says which FINAL records are not known to be
// delivered, and which calls began and never ended. Nothing is written: what to do about it is the ledger's business.
import { join } from "node:path";
import { recordType } from "./frame.ts";
import type { JournalFiles } from "./journal-files.ts";
import { readDeliveredRecord, readEventRecord } from "./record.ts";
import { scanSegment } from "./scan-segment.ts";
import { parseSegmentName, type Segment } from "./segment.ts";

/** A call whose end was never written. */
export type UnfinishedCall = {
  readonly eventId: string;
  /** Message of the START record: a partial UsageEvent. */
  readonly start: Buffer;
  /** Message of the last PROGRESS record, a Usage; `undefined`: none. */
  readonly progress: Buffer | undefined;
  /** Segment of the START record. */
  readonly ordinal: number;
};

export type Recovered = {
  /** In ascending order. */
  readonly segments: Segment[];
  /** Offsets of FINAL records that are not known to be delivered, ascending, by segment ordinal in ascending order. */
  readonly undelivered: ReadonlyMap<number, readonly number[]>;
  readonly unfinished: readonly UnfinishedCall[];
  /** Bytes behind the first bad frame of a segment, over all segments. */
  readonly tornBytes: number;
};

type Scan = {
  readonly undelivered: Map<number, Set<number>>;
  readonly open: Map<string, UnfinishedCall>;
};

export async function recover(files: JournalFiles, folder: string): Promise<Recovered> {
  const segments = await segmentsOf(files, folder);
  const scan: Scan = { undelivered: new Map(), open: new Map() };
  let tornBytes = 0;
  for (const segment of segments) {
    scan.undelivered.set(segment.ordinal, new Set());
    const size = segment.bytes;
    const { end, torn } = await scanSegment(files, segment.path, 0, (frame, offset) => {
      take(scan, segment.ordinal, frame.type, frame.payload, offset);
      return undefined;
    });
    segment.bytes = end;
    if (torn) tornBytes += size - end;
  }
  const undelivered = new Map<number, readonly number[]>();
  for (const segment of segments) {
    const offsets = [...(scan.undelivered.get(segment.ordinal) ?? [])];
    segment.undelivered = offsets.length;
    if (offsets.length > 0) undelivered.set(segment.ordinal, offsets);
  }
  const unfinished = [...scan.open.values()];
  for (const segment of segments) segment.open = unfinished.filter((call) => call.ordinal === segment.ordinal).length;
  return { segments, undelivered, unfinished, tornBytes };
}

async function segmentsOf(files: JournalFiles, folder: string): Promise<Segment[]> {
  const segments: Segment[] = [];
  for (const name of await files.list(folder)) {
    const parsed = parseSegmentName(name);
    if (parsed === undefined) continue;
    const path = join(folder, name);
    segments.push({ ...parsed, path, ...(await files.stat(path)), undelivered: 0, open: 0 });
  }
  return segments.sort((a, b) => a.ordinal - b.ordinal);
}

function take(scan: Scan, ordinal: number, type: number, payload: Buffer, offset: number): void {
  if (type === recordType.delivered) {
    for (const place of readDeliveredRecord(payload)) scan.undelivered.get(place.ordinal)?.delete(place.offset);
    return;
  }
  const record = readEventRecord(payload);
  if (record === undefined) return; // A type of a later version: not ours to judge.
  const { eventId } = record;
  if (type === recordType.final) {
    scan.undelivered.get(ordinal)?.add(offset);
    scan.open.delete(eventId);
  } else if (type === recordType.start) {
    scan.open.set(eventId, { eventId, start: Buffer.from(record.message), progress: undefined, ordinal });
  } else if (type === recordType.progress) {
    const call = scan.open.get(eventId);
    if (call !== undefined) scan.open.set(eventId, { ...call, progress: Buffer.from(record.message) });
  }
}
