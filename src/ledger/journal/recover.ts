// What earlier lives left behind: reads the segments of a folder and says which FINAL records are not known to be
// delivered, and which calls began and never ended. Nothing is written: what to do about it is the ledger's business.
import { join } from "node:path";
import { type Checkpoint, isOf } from "./checkpoint.ts";
import { recordType } from "./frame.ts";
import type { JournalFiles } from "./journal-files.ts";
import { readDeliveredRecord, readEventRecord } from "./record.ts";
import { type ScanResult, scanSegment } from "./scan-segment.ts";
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
  /** Bytes behind the first bad frame of a segment, over all segments that were read. */
  readonly tornBytes: number;
  /** Bytes of whole frames that were read. */
  readonly readBytes: number;
};

type Scan = {
  readonly undelivered: Map<number, Set<number>>;
  readonly open: Map<string, UnfinishedCall>;
};

/** Reads all segments, or with a checkpoint that holds for the folder only what lies behind it. */
export async function recover(files: JournalFiles, folder: string, checkpoint?: Checkpoint): Promise<Recovered> {
  const segments = await segmentsOf(files, folder);
  const known = checkpoint !== undefined && isOf(checkpoint, segments) ? checkpoint : nothingKnown;
  return (await recoverFrom(files, segments, known)) ?? recover(files, folder);
}

const nothingKnown: Checkpoint = { settled: { ordinal: 0, offset: 0 }, delivery: "keep", segments: [] };

/** `undefined`: what the checkpoint knows as whole is not, so that it cannot be trusted. */
async function recoverFrom(
  files: JournalFiles,
  segments: Segment[],
  checkpoint: Checkpoint,
): Promise<Recovered | undefined> {
  const { settled } = checkpoint;
  const wholeBytes = new Map(checkpoint.segments.map(({ ordinal, bytes }) => [ordinal, bytes]));
  const scan: Scan = { undelivered: new Map(), open: new Map() };
  let tornBytes = 0;
  let readBytes = 0;
  for (const segment of segments) {
    const known = wholeBytes.get(segment.ordinal) ?? 0;
    if (segment.ordinal < settled.ordinal) {
      segment.bytes = known;
      continue;
    }
    const from = segment.ordinal === settled.ordinal ? settled.offset : 0;
    const { end, torn } = await readSegment(files, scan, segment, from);
    // A bad frame just behind `from` may also be one that does not begin there.
    if (end < known || (torn && end === from && from > 0)) return undefined;
    if (torn) tornBytes += segment.bytes - end;
    readBytes += end - from;
    segment.bytes = end;
  }
  return { segments, ...toFindings(scan, segments), tornBytes, readBytes };
}

function readSegment(files: JournalFiles, scan: Scan, { path, ordinal }: Segment, from: number): Promise<ScanResult> {
  scan.undelivered.set(ordinal, new Set());
  return scanSegment(files, path, from, (frame, offset) => {
    take(scan, ordinal, frame.type, frame.payload, offset);
    return undefined;
  });
}

/** Counts in the segments, too, what was found. */
function toFindings(scan: Scan, segments: readonly Segment[]): Pick<Recovered, "undelivered" | "unfinished"> {
  const undelivered = new Map<number, readonly number[]>();
  const unfinished = [...scan.open.values()];
  for (const segment of segments) {
    const offsets = [...(scan.undelivered.get(segment.ordinal) ?? [])];
    segment.undelivered = offsets.length;
    segment.open = unfinished.filter((call) => call.ordinal === segment.ordinal).length;
    if (offsets.length > 0) undelivered.set(segment.ordinal, offsets);
  }
  return { undelivered, unfinished };
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
