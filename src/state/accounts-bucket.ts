// The two buckets of JetStream KV that instances keep accounts in, and the one way in which a key of them changes.
import { jetstream } from "@nats-io/jetstream";
import { type KV, Kvm } from "@nats-io/kv";
import type { NatsConnection } from "@nats-io/transport-node";
import { isWrongLastSequence } from "./wrong-last-sequence.ts";

const bucketNames = { lasting: "llmgateway_accounts", short: "llmgateway_windows" } as const;

/** Counted from the last write, so no period of a day loses its account. */
const shortKeptMs = 3 * 86_400_000;

const requestMs = 500;

/** Makes it where it is missing. `replicas`: of a bucket that is made here; default 3 in a cluster of servers, else 1. */
export function openAccountsBucket(
  nats: NatsConnection,
  isShort: boolean,
  replicas: number = nats.info?.cluster === undefined ? 1 : 3,
): Promise<KV> {
  const manager = new Kvm(jetstream(nats, { timeout: requestMs }));
  const settings = { replicas, history: 1, timeout: requestMs };
  return isShort
    ? manager.create(bucketNames.short, { ...settings, ttl: shortKeptMs })
    : manager.create(bucketNames.lasting, settings);
}

/** The new revision; `undefined`: somebody else was faster. Rejects when the outcome is not known. 0: no such key yet. */
export async function compareAndSet(
  bucket: KV,
  key: string,
  text: string,
  revision: number,
): Promise<number | undefined> {
  try {
    // `update` refuses the revision 0 in version 3.4.0 of the client.
    if (revision === 0) return await bucket.create(key, text);
    return await bucket.update(key, text, revision, requestMs);
  } catch (error) {
    if (isWrongLastSequence(error)) return undefined;
    throw error;
  }
}
