// The few fields of a `UsageEvent` that the index needs, read from its binary form without the rest: attempts and lines of
// cost are most of an event's bytes, and the index reads every event. Field numbers are those of usage_event.proto and
// usage.proto; the test compares with protobuf-es on random events.
import { BinaryReader, type WireType } from "@bufbuild/protobuf/wire";

export type ReadEvent = {
  eventId: string;
  correctsEventId: string;
  timeMs: number;
  workflowRun: string;
  project: string;
  key: string;
  team: string;
  organisation: string;
  endUser: string;
  operation: number;
  model: string;
  provider: string;
  outcome: number;
  cacheStatus: number;
  labels: [string, string][];
  inputTokens: number;
  outputTokens: number;
  cacheReadTokens: number;
  cacheWriteTokens: number;
  reasoningTokens: number;
  costNanoUsd: bigint;
  savedNanoUsd: bigint;
  reportedNanoUsd: bigint;
  comparedNanoUsd: bigint;
  durationMs: number;
};

type ReadField<Shape> = (reader: BinaryReader, into: Shape) => void;
type Fields<Shape> = Readonly<Record<number, ReadField<Shape>>>;

const principalFields: Fields<ReadEvent> = {
  1: (reader, event) => {
    event.project = reader.string();
  },
  2: (reader, event) => {
    event.key = reader.string();
  },
  3: (reader, event) => {
    event.team = reader.string();
  },
  4: (reader, event) => {
    event.endUser = reader.string();
  },
  6: (reader, event) => {
    event.organisation = reader.string();
  },
};

const usageFields: Fields<ReadEvent> = {
  1: (reader, event) => {
    event.inputTokens = reader.int32();
  },
  2: (reader, event) => {
    event.outputTokens = reader.int32();
  },
  3: (reader, event) => {
    event.cacheReadTokens = reader.int32();
  },
  4: (reader, event) => {
    event.cacheWriteTokens = reader.int32();
  },
  6: (reader, event) => {
    event.reasoningTokens = reader.int32();
  },
};

const costFields: Fields<ReadEvent> = {
  1: (reader, event) => {
    event.costNanoUsd = BigInt(reader.int64());
  },
  5: (reader, event) => {
    event.reportedNanoUsd = BigInt(reader.int64());
  },
  6: (reader, event) => {
    event.comparedNanoUsd = BigInt(reader.int64());
  },
};

const eventFields: Fields<ReadEvent> = {
  1: (reader, event) => {
    event.eventId = reader.string();
  },
  2: (reader, event) => {
    event.timeMs = readTime(reader);
  },
  5: (reader, event) => {
    event.operation = reader.int32();
  },
  7: (reader, event) => readMessage(reader, principalFields, event),
  9: (reader, event) => {
    event.model = reader.string();
  },
  10: (reader, event) => {
    event.provider = reader.string();
  },
  11: (reader, event) => {
    event.outcome = reader.int32();
  },
  15: (reader, event) => readMessage(reader, usageFields, event),
  16: (reader, event) => readMessage(reader, costFields, event),
  18: (reader, event) => {
    event.cacheStatus = reader.int32();
  },
  19: (reader, event) => {
    event.savedNanoUsd = BigInt(reader.int64());
  },
  21: (reader, event) => {
    event.durationMs = readTime(reader);
  },
  27: (reader, event) => {
    event.labels.push(readLabel(reader));
  },
  30: (reader, event) => {
    event.workflowRun = reader.string();
  },
  36: (reader, event) => {
    event.correctsEventId = reader.string();
  },
};

/** Throws on bytes that are no event. */
export function readEvent(payload: Uint8Array): ReadEvent {
  const event: ReadEvent = {
    eventId: "",
    correctsEventId: "",
    timeMs: 0,
    workflowRun: "",
    project: "",
    key: "",
    team: "",
    organisation: "",
    endUser: "",
    operation: 0,
    model: "",
    provider: "",
    outcome: 0,
    cacheStatus: 0,
    labels: [],
    inputTokens: 0,
    outputTokens: 0,
    cacheReadTokens: 0,
    cacheWriteTokens: 0,
    reasoningTokens: 0,
    costNanoUsd: 0n,
    savedNanoUsd: 0n,
    reportedNanoUsd: 0n,
    comparedNanoUsd: 0n,
    durationMs: 0,
  };
  readFields(new BinaryReader(payload), payload.length, eventFields, event);
  return event;
}

function readMessage<Shape>(reader: BinaryReader, fields: Fields<Shape>, into: Shape): void {
  const length = reader.uint32();
  readFields(reader, reader.pos + length, fields, into);
}

function readFields<Shape>(reader: BinaryReader, end: number, fields: Fields<Shape>, into: Shape): void {
  while (reader.pos < end) {
    const [number, wireType] = reader.tag();
    const read = fields[number];
    if (read === undefined) reader.skip(wireType as WireType, number);
    else read(reader, into);
  }
}

/** A Timestamp or a Duration, in milliseconds, rounded down. */
function readTime(reader: BinaryReader): number {
  const time = { seconds: 0, nanos: 0 };
  readMessage(reader, timeFields, time);
  return time.seconds * 1_000 + time.nanos / 1e6;
}

const timeFields: Fields<{ seconds: number; nanos: number }> = {
  1: (reader, time) => {
    time.seconds = Number(reader.int64());
  },
  2: (reader, time) => {
    time.nanos = reader.int32();
  },
};

function readLabel(reader: BinaryReader): [string, string] {
  const entry: [string, string] = ["", ""];
  readMessage(reader, labelFields, entry);
  return entry;
}

const labelFields: Fields<[string, string]> = {
  1: (reader, entry) => {
    entry[0] = reader.string();
  },
  2: (reader, entry) => {
    entry[1] = reader.string();
  },
};
