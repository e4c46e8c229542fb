import { fromBinary } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { UsageEventSchema } from "../../contract.ts";
import { recordType } from "./frame.ts";
import type { JournalFiles } from "./journal-files.ts";
import { readEventRecord } from "./record.ts";
import { scanSegment } from "./scan-segment.ts";
import type { Segment } from "./segment.ts";

/** Offsets of the FINAL records of a segment whose event is not older than a time, ascending. */
export async function finalsSince(files: JournalFiles, segment: Segment, sinceMs: number): Promise<readonly number[]> {
  const offsets: number[] = [];
  await scanSegment(
    files,
    segment.path,
    0,
    (frame, offset) => {
      const record = frame.type === recordType.final ? readEventRecord(frame.payload) : undefined;
      if (record === undefined) return undefined;
      const { eventTime } = fromBinary(UsageEventSchema, record.message);
      if (eventTime !== undefined && timestampMs(eventTime) >= sinceMs) offsets.push(offset);
      return undefined;
    },
    segment.bytes,
  );
  return offsets;
}
