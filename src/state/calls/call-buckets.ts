// The three key-value buckets of shared calls, and the beat that tells that this replica lives.
import { jetstream } from "@nats-io/jetstream";
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
    manager.create(bucketNames.calls, { ...shared, ttl: settings.rememberMs }),
    manager.create(bucketNames.outcomes, {
      ...shared,
      ttl: settings.rememberMs,
      max_bytes: settings.outcomesBytesMax,
    }),
    manager.create(bucketNames.instances, { ...shared, ttl: settings.presenceMs }),
  ]);
  return { calls, outcomes, instances };
}
