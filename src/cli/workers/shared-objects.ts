// The stored objects as the primary process keeps them for its workers: a change is done when it is durable and every
// worker has heard of it, so that a key that was revoked opens nothing from the moment that its revocation is answered.
import type { ObjectChange, ObjectStore, StoredObject } from "../../state/objects/object-store.ts";
import { objectLimits } from "../../state/objects/object-store.ts";
import { RevisionConflict } from "../../state/objects/revision-conflict.ts";
import type { ObjectOutcome, WorkerAsks } from "./protocol.ts";
import type { PrimaryChannel } from "./worker-channel.ts";

/** A worker that is too busy to hear of a change for so long is not waited for: it hears of it before anything later. */
const heardMsMax = 2_000;

export class SharedObjects {
  readonly #store: ObjectStore;
  readonly #channels: () => Iterable<PrimaryChannel>;
  readonly #telling = new Set<Promise<unknown>>();

  /** `channels`: of the workers that live. */
  constructor(store: ObjectStore, channels: () => Iterable<PrimaryChannel>) {
    this.#store = store;
    this.#channels = channels;
  }

  /** Once, before the first worker. */
  async begin(): Promise<void> {
    let isBegun = false; // What is there already, workers ask for.
    await this.#store.watch((change) => {
      if (isBegun) this.#tell(change);
    });
    isBegun = true;
  }

  get(key: string): Promise<StoredObject | undefined> {
    return this.#store.get(key);
  }

  list({ prefix, after, limit }: WorkerAsks["objectList"]["body"]): Promise<readonly StoredObject[]> {
    return this.#store.list(prefix, { after, limit });
  }

  all(): Promise<readonly StoredObject[]> {
    return this.#store.list("", { after: "", limit: objectLimits.objectsMax });
  }

  put({ key, value, expected }: WorkerAsks["objectPut"]["body"]): Promise<ObjectOutcome<number>> {
    return this.#change(() => this.#store.put(key, value, expected));
  }

  delete({ key, expected }: WorkerAsks["objectDelete"]["body"]): Promise<ObjectOutcome<boolean>> {
    return this.#change(() => this.#store.delete(key, expected));
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  async #change<Value>(change: () => Promise<Value>): Promise<ObjectOutcome<Value>> {
    try {
      const value = await change();
      await Promise.all(this.#telling);
      return { kind: "done", value };
    } catch (error) {
      if (error instanceof RevisionConflict) return { kind: "conflict" };
      throw error;
    }
  }

  #tell(change: ObjectChange): void {
    const heard = [...this.#channels()].map((channel) => channel.ask("objectChanged", change, heardMsMax));
    if (heard.length === 0) return;
    const told = Promise.allSettled(heard);
    this.#telling.add(told);
    void told.then(() => this.#telling.delete(told)); // Settled, whatever became of each.
  }
}
