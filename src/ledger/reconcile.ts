// Holds the journals, the stream and a consumer's database against each other. Reads only, and needs no lock: it can run
// beside the gateway. Events of other gateways in the stream are counted and held against the database alone.
import { crc32 } from "node:zlib";
import { fromBinary } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { Consumer, JsMsg } from "@nats-io/jetstream";
import { type UsageEvent, UsageEventSchema } from "../contract.ts";
import { recordType } from "./journal/frame.ts";
import { journalFiles } from "./journal/journal-files.ts";
import { readEventRecord } from "./journal/record.ts";
import { recover } from "./journal/recover.ts";
import { scanSegment } from "./journal/scan-segment.ts";
import { connectNats, type NatsAccess } from "./publisher/connect-nats.ts";
import { type ReportedCost, ReportedCostSums } from "./reported-cost-sums.ts";

export type ReconcileOptions = {
  /** Folders of segments: one of each journal. */
  readonly folders: readonly string[];
  readonly access: NatsAccess;
  /** Default "USAGE". */
  readonly stream?: string | undefined;
  /** Events since this time, Unix milliseconds; both journal and stream must still hold them. */
  readonly sinceMs: number;
  /** Event ids that a consumer has booked, a double as often as it stands there; `undefined`: no database is compared. */
  readonly bookedIds?: Iterable<string> | undefined;
};

export type Reconciliation = {
  readonly inJournal: number;
  /** Messages, doubles included. */
  readonly inStream: number;
  readonly booked: number;
  /** In the journal and not known to be delivered: they are on their way. */
  readonly waiting: number;
  /** Delivered, and not in the stream: NATS has lost them. `usage replay` brings them back. */
  readonly missingInStream: readonly string[];
  /** More than once in the stream: the consumer must drop the rest. */
  readonly doubledInStream: readonly string[];
  /** Other bytes in the stream than in the journal. */
  readonly differing: readonly string[];
  /** In the stream and not booked. */
  readonly missingInDatabase: readonly string[];
  readonly doubledInDatabase: readonly string[];
  /** What providers said of the journal's events, by provider and model; those that say nothing are not here. */
  readonly reported: readonly ReportedCost[];
};

type JournalEvent = { readonly checksum: number; readonly delivered: boolean };
type StreamEvent = { readonly checksum: number | undefined; readonly count: number };

const fetchMax = 1_000;
const fetchWaitMs = 5_000;
const clockSkewMsMax = 3_600_000;

/** Throws when NATS or the folder cannot be read. */
export async function reconcile(options: ReconcileOptions): Promise<Reconciliation> {
  const reports = new ReportedCostSums();
  const journal = await readJournals(options.folders, options.sinceMs, reports);
  const stream = await readStream(options);
  const booked = options.bookedIds === undefined ? undefined : countIds(options.bookedIds);
  const unseen = [...journal].filter(([id]) => !stream.has(id));
  return {
    inJournal: journal.size,
    inStream: [...stream.values()].reduce((sum, event) => sum + event.count, 0),
    booked: [...(booked?.values() ?? [])].reduce((sum, count) => sum + count, 0),
    waiting: unseen.filter(([, event]) => !event.delivered).length,
    missingInStream: unseen.filter(([, event]) => event.delivered).map(([id]) => id),
    doubledInStream: [...stream].filter(([, event]) => event.count > 1).map(([id]) => id),
    differing: [...journal].filter(([id, { checksum }]) => differs(checksum, stream.get(id))).map(([id]) => id),
    missingInDatabase: booked === undefined ? [] : [...stream.keys()].filter((id) => !booked.has(id)),
    doubledInDatabase: [...(booked ?? [])].filter(([, count]) => count > 1).map(([id]) => id),
    reported: reports.sums,
  };
}

function differs(checksum: number, event: StreamEvent | undefined): boolean {
  return event?.checksum !== undefined && event.checksum !== checksum;
}

async function readJournals(
  folders: readonly string[],
  sinceMs: number,
  reports: ReportedCostSums,
): Promise<ReadonlyMap<string, JournalEvent>> {
  const events = new Map<string, JournalEvent>();
  for (const folder of folders) await readJournal(folder, sinceMs, events, reports);
  return events;
}

async function readJournal(
  folder: string,
  sinceMs: number,
  events: Map<string, JournalEvent>,
  reports: ReportedCostSums,
): Promise<void> {
  const { segments, undelivered } = await recover(journalFiles, folder);
  for (const segment of segments) {
    const waiting = new Set(undelivered.get(segment.ordinal));
    await scanSegment(
      journalFiles,
      segment.path,
      0,
      (frame, offset) => {
        const record = frame.type === recordType.final ? readEventRecord(frame.payload) : undefined;
        if (record === undefined) return undefined;
        const event = fromBinary(UsageEventSchema, record.message);
        if (timeOf(event) < sinceMs) return undefined;
        events.set(record.eventId, { checksum: crc32(record.message), delivered: !waiting.has(offset) });
        reports.add(event);
        return undefined;
      },
      segment.bytes,
    );
  }
}

async function readStream({
  access,
  stream = "USAGE",
  sinceMs,
}: ReconcileOptions): Promise<ReadonlyMap<string, StreamEvent>> {
  const { connection } = await connectNats(access, "llmgateway reconcile");
  try {
    const { DeliverPolicy, jetstream } = await import("@nats-io/jetstream");
    // The stream goes by the clock of NATS: begin early, and take events by their own time.
    const from = new Date(Math.max(0, sinceMs - clockSkewMsMax));
    const start = { deliver_policy: DeliverPolicy.StartTime, opt_start_time: from.toISOString() };
    const consumer = await jetstream(connection).consumers.get(stream, start);
    const events = new Map<string, StreamEvent>();
    for (let { num_pending: left } = await consumer.info(); left > 0; ) {
      for (const message of await fetchSome(consumer, Math.min(left, fetchMax))) {
        const { eventId, timeMs, checksum } = readMessage(message);
        left = message.info.pending;
        if (timeMs < sinceMs) continue;
        events.set(eventId, { checksum, count: (events.get(eventId)?.count ?? 0) + 1 });
      }
    }
    return events;
  } finally {
    await connection.close();
  }
}

async function fetchSome(consumer: Consumer, count: number): Promise<readonly JsMsg[]> {
  const messages: JsMsg[] = [];
  for await (const message of await consumer.fetch({ max_messages: count, expires: fetchWaitMs })) {
    messages.push(message);
    if (messages.length === count) break;
  }
  if (messages.length === 0) throw new Error("NATS gives no more events, though there are some");
  return messages;
}

/** A message in CloudEvents form has other bytes than the journal: it has no checksum here. */
function readMessage(message: JsMsg): {
  readonly eventId: string;
  readonly timeMs: number;
  readonly checksum: number | undefined;
} {
  const eventId = message.headers?.get("Nats-Msg-Id") ?? "";
  if (message.headers?.get("Content-Type") !== "application/x-protobuf") {
    return { eventId, timeMs: Number.POSITIVE_INFINITY, checksum: undefined };
  }
  return { eventId, timeMs: timeOf(fromBinary(UsageEventSchema, message.data)), checksum: crc32(message.data) };
}

function timeOf({ eventTime }: UsageEvent): number {
  return eventTime === undefined ? 0 : timestampMs(eventTime);
}

function countIds(ids: Iterable<string>): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
}
