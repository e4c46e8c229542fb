// The three key-value buckets of shared calls, and the beat that tells that this replica lives.
import { DiscardPolicy, JetStreamApiError, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { type KV, Kvm } from "@nats-io/kv";
import type { NatsConnection } from "@nats-io/transport-node";

export type CallBuckets = {
  /** Who has a request id, and who runs a stream. */
  readonly calls: KV;
  /** Outcomes, in pieces. */
  readonly outcomes: KV;
  /** One key for each replica that lives: it goes when it is not renewed. */
  readonly instances: KV;
};

export type BucketSettings = {
  readonly rememberMs: number;
  readonly presenceMs: number;
  /** Of the buckets of calls and of outcomes, each. */
  readonly outcomesBytesMax: number;
  /** Copies of a bucket that is made here; default 3 in a cluster of servers, else 1. */
  readonly replicas?: number | undefined;
};

export const bucketNames = {
  calls: "llmgateway_calls",
  outcomes: "llmgateway_outcomes",
  instances: "llmgateway_instances",
} as const;

export const requestMs = 2_000;

/** Makes the buckets that are missing; those that exist stay as they are. */
export async function openCallBuckets(connection: NatsConnection, settings: BucketSettings): Promise<CallBuckets> {
  const manager = new Kvm(jetstream(connection, { timeout: requestMs }));
  const replicas = settings.replicas ?? (connection.info?.cluster === undefined ? 1 : 3);
  const shared = { replicas, history: 1, timeout: requestMs };
  const [calls, outcomes, instances] = await Promise.all([
    // Full, it refuses: a claim that is dropped would let a call run twice.
    manager.create(bucketNames.calls, { ...shared, ttl: settings.rememberMs, max_bytes: settings.outcomesBytesMax }),
    manager.create(bucketNames.outcomes, {
      ...shared,
      ttl: settings.rememberMs,
      max_bytes: settings.outcomesBytesMax,
    }),
    manager.create(bucketNames.instances, { ...shared, ttl: settings.presenceMs }),
  ]);
  // Not waited for: who may not change buckets hears of it late, and the operator's bucket serves as it is.
  void dropOldest(connection, `KV_${bucketNames.outcomes}`).catch(() => {});
  return { calls, outcomes, instances };
}

/** The client makes buckets that refuse when they are full; of outcomes the oldest are the least wanted. */
async function dropOldest(connection: NatsConnection, stream: string): Promise<void> {
  const manager = await jetstreamManager(connection, { timeout: requestMs, checkAPI: false });
  const { config } = await manager.streams.info(stream);
  if (config.discard !== DiscardPolicy.Old) await manager.streams.update(stream, { discard: DiscardPolicy.Old });
}

/** JetStream: "maximum bytes exceeded". https://github.com/nats-io/nats-server/blob/main/server/errors.json */
const storeFailed = 10_077;

/** The bucket takes no more until something in it has gone with its time; NATS is there all the same. */
export function isBucketFull(error: unknown): boolean {
  return error instanceof JetStreamApiError && error.code === storeFailed && error.message.startsWith("maximum ");
}
