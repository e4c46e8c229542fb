// Puts events that the kept segments hold into the stream again: after NATS has lost data. Reads only and needs no lock,
// so it runs beside the gateway whose folder it is, or without one. An event keeps its id, so what the stream still has is
// dropped there while its window lasts, and by the consumer's key always.
import { fromBinary } from "@bufbuild/protobuf";
import type { JetStreamClient } from "@nats-io/jetstream";
import { type UsageEvent, UsageEventSchema } from "../contract.ts";
import { toEventHead } from "./event-head.ts";
import { recordType } from "./journal/frame.ts";
import { journalFiles } from "./journal/journal-files.ts";
import { readEventRecord } from "./journal/record.ts";
import { recover } from "./journal/recover.ts";
import { scanSegment } from "./journal/scan-segment.ts";
import type { Segment } from "./journal/segment.ts";
import { checkStream } from "./publisher/check-stream.ts";
import { connectNats, type NatsAccess, type NatsModule } from "./publisher/connect-nats.ts";
import { type EventFormat, toEventMessage } from "./publisher/event-message.ts";
import { subjectOf } from "./publisher/subject.ts";
import { textHeaders } from "./publisher/text-headers.ts";
import { writtenMs } from "./written-ms.ts";

export type RepublishOptions = {
  /** Folder of the journal's segments. */
  readonly folder: string;
  readonly access: NatsAccess;
  readonly stream: string;
  readonly subjectPrefix: string;
  readonly format: EventFormat;
  /** Events that were written since this time, Unix milliseconds. */
  readonly sinceMs: number;
  /** Hears how many events have been acknowledged by now. */
  readonly onProgress?: ((events: number) => void) | undefined;
};

export type Republished = {
  /** Acknowledged by NATS. */
  readonly events: number;
  /** Of these, what the stream still had within its window. */
  readonly duplicates: number;
};

type KeptEvent = { readonly event: UsageEvent; readonly payload: Uint8Array };

/** Messages that wait for their acknowledgement at once. */
const inFlightMax = 256;
const ackTimeoutMs = 10_000;

/** Throws when the folder cannot be read, or when NATS cannot be reached, is not fit, or refuses an event. */
export async function republish(options: RepublishOptions): Promise<Republished> {
  const { connection, nats } = await connectNats(options.access, "llmgateway replay");
  try {
    const check = await checkStream(connection, options.stream, options.subjectPrefix);
    if (check.kind === "unfit") throw new Error(check.because);
    const { jetstream } = await import("@nats-io/jetstream");
    const client = jetstream(connection, { timeout: ackTimeoutMs });
    const { segments } = await recover(journalFiles, options.folder);
    let events = 0;
    let duplicates = 0;
    for (const segment of segments) {
      if (segment.lastWriteMs < options.sinceMs) continue;
      const kept = await readSince(segment, options.sinceMs);
      for (let from = 0; from < kept.length; from += inFlightMax) {
        const batch = kept.slice(from, from + inFlightMax);
        duplicates += await publishAll(client, nats, batch, options);
        events += batch.length;
        options.onProgress?.(events);
      }
    }
    return { events, duplicates };
  } finally {
    await connection.close();
  }
}

/** A segment is at most some 64 MiB, and one is held at a time. */
async function readSince(segment: Segment, sinceMs: number): Promise<readonly KeptEvent[]> {
  const kept: KeptEvent[] = [];
  await scanSegment(
    journalFiles,
    segment.path,
    0,
    (frame) => {
      const record = frame.type === recordType.final ? readEventRecord(frame.payload) : undefined;
      if (record === undefined) return undefined;
      const event = fromBinary(UsageEventSchema, record.message);
      if (writtenMs(event) >= sinceMs) {
        kept.push({ event, payload: Buffer.from(record.message) }); // The frame is valid during this call only.
      }
      return undefined;
    },
    segment.bytes,
  );
  return kept;
}

/** How many of them the stream had already. */
async function publishAll(
  client: JetStreamClient,
  nats: NatsModule,
  events: readonly KeptEvent[],
  { subjectPrefix, format }: RepublishOptions,
): Promise<number> {
  const acknowledged = await Promise.all(
    events.map(({ event, payload }) => {
      const head = toEventHead(event);
      const message = toEventMessage(head, payload, format);
      const headers = textHeaders(nats, message.headers);
      return client.publish(subjectOf(subjectPrefix, head), message.payload, { headers });
    }),
  );
  return acknowledged.filter(({ duplicate }) => duplicate).length;
}
