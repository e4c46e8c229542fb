// Objects in NATS JetStream KV, for several instances. Each instance watches the bucket: a change by one reaches the
// others as a message, not with the next poll. While NATS is away everything goes on with what was heard last; after it
// is back the bucket is listed anew, so that nothing that happened in between is missed.
import { setTimeout as wait } from "node:timers/promises";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { type KV, Kvm, type KvWatchEntry } from "@nats-io/kv";
import type { NatsConnection, QueuedIterator } from "@nats-io/transport-node";
import { isWrongLastSequence } from "../wrong-last-sequence.ts";
import {
  type ExpectedRevision,
  type ObjectChange,
  type ObjectStore,
  objectLimits,
  type StoredObject,
} from "./object-store.ts";
import { RevisionConflict } from "./revision-conflict.ts";

export type ClusteredObjectStoreOptions = {
  /** Called until it resolves once. The store closes the connection. */
  readonly connect: () => Promise<NatsConnection>;
  /** Copies of a bucket that is made here; default 3 in a cluster of servers, else 1. */
  readonly replicas?: number | undefined;
  /** Hears that the bucket cannot be watched, once each time. */
  readonly onLost?: ((error: unknown) => void) | undefined;
};

const bucketName = "llmgateway_objects";

const limits = { requestMs: 2_000, retryMs: 500, marksKeptMs: 86_400_000, marksForgottenMax: 1_000 } as const;

type Open = { readonly connection: NatsConnection; readonly bucket: KV };

/** Makes the bucket where it is missing; until NATS is there, changes reject and `watch` waits. */
export function createClusteredObjectStore(options: ClusteredObjectStoreOptions): ObjectStore {
  const replica = new Map<string, StoredObject>();
  let opening: Promise<Open> | undefined;
  let watching: QueuedIterator<KvWatchEntry> | undefined;
  let isClosed = false;

  function open(): Promise<Open> {
    opening ??= openBucket(options).catch((error: unknown) => {
      opening = undefined;
      throw error;
    });
    return opening;
  }

  /** Lists and follows until the watch ends; whatever is not in the list has been deleted meanwhile. */
  async function follow(onChange: (change: ObjectChange) => void, onListed: () => void): Promise<void> {
    const { connection, bucket } = await open();
    const { streamInfo } = await bucket.status();
    const iterator = await bucket.watch();
    watching = iterator;
    if (isClosed) iterator.stop();
    const stopListening = onReconnect(connection, () => iterator.stop());
    let unseen: Set<string> | undefined = new Set(replica.keys());
    const oldMarks: KvWatchEntry[] = [];
    const listed = () => {
      for (const key of unseen ?? []) apply({ kind: "deleted", key, revision: streamInfo.state.last_seq }, onChange);
      unseen = undefined;
      onListed();
      forgetMarks(connection, oldMarks).catch(() => {}); // They cost a little room, and the next listing tries again.
    };
    try {
      if (streamInfo.state.messages === 0) listed();
      for await (const entry of iterator) {
        unseen?.delete(entry.key);
        if (unseen !== undefined && isOldMark(entry) && oldMarks.length < limits.marksForgottenMax)
          oldMarks.push(entry);
        apply(toChange(entry), onChange);
        if (unseen !== undefined && entry.delta === 0) listed();
      }
    } finally {
      stopListening();
    }
  }

  function apply(change: ObjectChange, onChange: (change: ObjectChange) => void): void {
    if (change.kind === "deleted") replica.delete(change.key);
    else replica.set(change.object.key, change.object);
    onChange(change);
  }

  async function followForEver(onChange: (change: ObjectChange) => void, onListed: () => void): Promise<void> {
    while (!isClosed) {
      try {
        await follow(onChange, onListed);
      } catch (error) {
        if (isClosed) return;
        options.onLost?.(error);
        await wait(limits.retryMs);
      }
    }
  }

  return {
    async get(key) {
      const entry = await (await open()).bucket.get(key);
      return entry === null || entry.operation !== "PUT" ? undefined : toObject(entry);
    },
    list: async (prefix, { after, limit }) =>
      [...replica.values()]
        .filter(({ key }) => key.startsWith(prefix) && key > after)
        .sort((a, b) => (a.key < b.key ? -1 : 1))
        .slice(0, limit),
    async put(key, value, expected) {
      if (Buffer.byteLength(value) > objectLimits.valueBytesMax) throw new Error("the object is too large");
      if (replica.size >= objectLimits.objectsMax && !replica.has(key)) throw new Error("too many objects are stored");
      return write((await open()).bucket, key, value, expected);
    },
    async delete(key, expected) {
      const { bucket } = await open();
      const known = await bucket.get(key);
      if (known === null || known.operation !== "PUT") return false;
      if (expected !== "any" && known.revision !== expected) throw new RevisionConflict(key);
      await orConflict(key, () => bucket.delete(key, { previousSeq: known.revision }));
      return true;
    },
    watch: (onChange) =>
      new Promise((resolve) => {
        void followForEver(onChange, resolve); // Never rejects.
      }),
    async close() {
      isClosed = true;
      watching?.stop();
      const opened = await opening?.catch(() => undefined);
      await opened?.connection.close();
    },
  };
}

async function openBucket(options: ClusteredObjectStoreOptions): Promise<Open> {
  const connection = await options.connect();
  try {
    const manager = new Kvm(jetstream(connection, { timeout: limits.requestMs }));
    const replicas = options.replicas ?? (connection.info?.cluster === undefined ? 1 : 3);
    const bucket = await manager.create(bucketName, {
      replicas,
      history: 1,
      maxValueSize: objectLimits.valueBytesMax,
      timeout: limits.requestMs,
    });
    return { connection, bucket };
  } catch (error) {
    await connection.close();
    throw error;
  }
}

/** NATS keeps a mark of each deletion for those who watch; who was away for so long lists anew. */
function isOldMark({ operation, created }: KvWatchEntry): boolean {
  return operation !== "PUT" && created.getTime() < Date.now() - limits.marksKeptMs;
}

/** Up to the mark and no further: an object that was made anew under the key stays. */
async function forgetMarks(connection: NatsConnection, marks: readonly KvWatchEntry[]): Promise<void> {
  if (marks.length === 0) return;
  const manager = await jetstreamManager(connection, { timeout: limits.requestMs });
  for (const { key, revision } of marks) {
    await manager.streams.purge(`KV_${bucketName}`, { filter: `$KV.${bucketName}.${key}`, seq: revision + 1 });
  }
}

/** The consumer of a watch may not outlive its connection: it is made anew. */
function onReconnect(connection: NatsConnection, callback: () => void): () => void {
  const statuses = connection.status();
  const listen = async (): Promise<void> => {
    for await (const { type } of statuses) if (type === "reconnect") callback();
  };
  void listen(); // Ends with the connection, and does not reject.
  return () => (statuses as { stop?: () => void }).stop?.();
}

async function write(bucket: KV, key: string, value: string, expected: ExpectedRevision): Promise<number> {
  if (expected === "any") return bucket.put(key, value);
  if (expected === "absent") return orConflict(key, () => bucket.create(key, value));
  return orConflict(key, () => bucket.update(key, value, expected));
}

async function orConflict<Result>(key: string, change: () => Promise<Result>): Promise<Result> {
  try {
    return await change();
  } catch (error) {
    if (isWrongLastSequence(error)) throw new RevisionConflict(key);
    throw error;
  }
}

function toChange(entry: KvWatchEntry): ObjectChange {
  if (entry.operation === "PUT") return { kind: "put", object: toObject(entry) };
  return { kind: "deleted", key: entry.key, revision: entry.revision };
}

function toObject(entry: { readonly key: string; readonly revision: number; string(): string }): StoredObject {
  return { key: entry.key, value: entry.string(), revision: entry.revision };
}
