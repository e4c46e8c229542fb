// Holds the journals, the stream and a consumer's database against each other. Reads only, and needs no lock: it can run
// beside the gateway. Events of other gateways in the stream are counted and held against the database alone.
import { crc32 } from "node:zlib";
import { fromBinary, fromJson, type JsonValue, toBinary } from "@bufbuild/protobuf";
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
import { writtenMs } from "./written-ms.ts";

export type ReconcileOptions = {
  /** Folders of segments: one of each journal. */
  readonly folders: readonly string[];
  readonly access: NatsAccess;
  /** Default "USAGE". */
  readonly stream?: string | undefined;
  /** Events that were written since this time, Unix milliseconds; both journal and stream must still hold them. */
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
  /** Other contents in the stream than in the journal, in whichever form they are there. */
  readonly differing: readonly string[];
  /** In the stream and not booked. A database goes by the time of the calls: corrections of older ones are not looked for. */
  readonly missingInDatabase: readonly string[];
  readonly doubledInDatabase: readonly string[];
  /** What providers said of the journal's events, by provider and model; those that say nothing are not here. */
  readonly reported: readonly ReportedCost[];
};

/** The checksum is that of the event's binary form. */
type JournalEvent = { readonly checksum: number; readonly delivered: boolean };
type StreamEvent = { readonly checksum: number; readonly isOfTime: boolean; readonly count: number };

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
    missingInDatabase:
      booked === undefined
        ? []
        : [...stream].filter(([id, event]) => event.isOfTime && !booked.has(id)).map(([id]) => id),
    doubledInDatabase: [...(booked ?? [])].filter(([, count]) => count > 1).map(([id]) => id),
    reported: reports.sums,
  };
}

function differs(checksum: number, event: StreamEvent | undefined): boolean {
  return event !== undefined && event.checksum !== checksum;
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
        if (writtenMs(event) < sinceMs) return undefined;
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
        left = message.info.pending;
        const eventId = message.headers?.get("Nats-Msg-Id") ?? "";
        const { event, checksum } = readMessage(message);
        if (event !== undefined && writtenMs(event) < sinceMs) continue;
        const count = (events.get(eventId)?.count ?? 0) + 1;
        events.set(eventId, { checksum, isOfTime: isSince(event, sinceMs), count });
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

type ReadMessage = { readonly event: UsageEvent | undefined; readonly checksum: number };

/** In either form that `usage.nats.format` has: JSON is held against the bytes that the journal would have of it. */
function readMessage({ headers, data }: JsMsg): ReadMessage {
  try {
    if (headers?.get("Content-Type") !== "application/cloudevents+json") {
      return { event: fromBinary(UsageEventSchema, data), checksum: crc32(data) };
    }
    const cloudEvent: { readonly data: JsonValue } = JSON.parse(new TextDecoder().decode(data));
    const event = fromJson(UsageEventSchema, cloudEvent.data, { ignoreUnknownFields: true });
    return { event, checksum: crc32(toBinary(UsageEventSchema, event)) };
  } catch {
    return { event: undefined, checksum: noChecksum }; // No event: it differs from whatever the journal has.
  }
}

/** Bytes have none below zero. */
const noChecksum = -1;

/** A message that cannot be read is not let go by for its time. */
function isSince(event: UsageEvent | undefined, sinceMs: number): boolean {
  return event?.eventTime === undefined || timestampMs(event.eventTime) >= sinceMs;
}

function countIds(ids: Iterable<string>): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
}
