// Makes or updates the stream of usage events and the consumer that bills from it: what `llm-gateway nats setup` does, with
// a user that may; the gateway's own user only publishes.
import type { ConsumerConfig, JetStreamManager, StreamConfig } from "@nats-io/jetstream";
import { isRecent } from "./publisher/check-stream.ts";
import { connectNats, type NatsAccess } from "./publisher/connect-nats.ts";
import { allSubjects } from "./publisher/subject.ts";

export type StreamOptions = {
  readonly access: NatsAccess;
  /** Default "USAGE". */
  readonly stream?: string | undefined;
  /** Default "llmgateway". */
  readonly subjectPrefix?: string | undefined;
  /** Default 1; 3 or 5 in a cluster. */
  readonly replicas?: 1 | 3 | 5 | undefined;
  /** Default 30 days. */
  readonly maxAgeMs?: number | undefined;
  /** Most bytes of the stream; -1: no limit but the disk. Default -1. */
  readonly maxBytes?: number | undefined;
  /** How long a repeated event id is dropped. Default 30 minutes; costs the server about 185 bytes for each event in it. */
  readonly duplicateWindowMs?: number | undefined;
  /** Durable pull consumer; default "billing". */
  readonly consumer?: string | undefined;
  /** How long the consumer may take before an event is given out again. Default 30 s. */
  readonly ackWaitMs?: number | undefined;
};

export type SetupReport = {
  readonly stream: { readonly name: string; readonly done: "created" | "updated" };
  readonly consumer: { readonly name: string; readonly done: "created" | "updated" };
  readonly serverVersion: string;
};

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;
const nanosPerMs = 1_000_000;
const messageBytesMax = 256 * 1024;
const ackPendingMax = 5_000;
const ackWaitMsDefault = 30_000;

/** Throws an `Error` of one line when the server cannot be reached, is too old, or refuses. */
export async function setUpStream(options: StreamOptions): Promise<SetupReport> {
  const { connection } = await connectNats(options.access, "llmgateway setup");
  try {
    const serverVersion = connection.info?.version ?? "";
    if (!isRecent(serverVersion)) throw new Error(`NATS server ${serverVersion} is too old: 2.12 or later is needed`);
    const { jetstreamManager } = await import("@nats-io/jetstream");
    const manager = await jetstreamManager(connection);
    const stream = await putStream(manager, options);
    const consumer = await putConsumer(manager, stream.name, options);
    return { stream, consumer, serverVersion };
  } finally {
    await connection.close();
  }
}

async function putStream(manager: JetStreamManager, options: StreamOptions): Promise<SetupReport["stream"]> {
  const { DiscardPolicy, RetentionPolicy, StorageType } = await import("@nats-io/jetstream");
  const name = options.stream ?? "USAGE";
  const settings = {
    subjects: [allSubjects(options.subjectPrefix ?? "llmgateway")],
    // A full stream must refuse, so that events wait in the gateways' journals, instead of dropping what nobody billed yet.
    discard: DiscardPolicy.New,
    max_age: (options.maxAgeMs ?? 30 * dayMs) * nanosPerMs,
    max_bytes: options.maxBytes ?? -1,
    max_msg_size: messageBytesMax,
    duplicate_window: (options.duplicateWindowMs ?? 30 * minuteMs) * nanosPerMs,
    num_replicas: options.replicas ?? 1,
    allow_atomic: true,
    allow_direct: true,
  } satisfies Partial<StreamConfig>;
  if (await exists(() => manager.streams.info(name))) {
    await manager.streams.update(name, settings);
    return { name, done: "updated" };
  }
  // These cannot be changed later.
  const fixed = { retention: RetentionPolicy.Limits, storage: StorageType.File, deny_delete: true };
  await manager.streams.add({ name, ...settings, ...fixed });
  return { name, done: "created" };
}

async function putConsumer(
  manager: JetStreamManager,
  stream: string,
  options: StreamOptions,
): Promise<SetupReport["consumer"]> {
  const { AckPolicy, DeliverPolicy } = await import("@nats-io/jetstream");
  const name = options.consumer ?? "billing";
  const settings = {
    ack_wait: (options.ackWaitMs ?? ackWaitMsDefault) * nanosPerMs,
    max_deliver: -1, // Never give up on money.
    max_ack_pending: ackPendingMax,
  } satisfies Partial<ConsumerConfig>;
  if (await exists(() => manager.consumers.info(stream, name))) {
    await manager.consumers.update(stream, name, settings);
    return { name, done: "updated" };
  }
  const fixed = { durable_name: name, ack_policy: AckPolicy.Explicit, deliver_policy: DeliverPolicy.All };
  await manager.consumers.add(stream, { ...settings, ...fixed });
  return { name, done: "created" };
}

/** False when the answer is "not found"; other failures are thrown. */
async function exists(look: () => Promise<unknown>): Promise<boolean> {
  try {
    await look();
    return true;
  } catch (error) {
    if (error instanceof Error && /not found/i.test(error.message)) return false;
    throw error;
  }
}
