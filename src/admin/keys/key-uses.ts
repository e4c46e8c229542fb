// When a key was used last, to the hour: noted in memory with every call, stored now and then, apart from the key, so that
// its etag stays.
import type { ObjectChange, ObjectStore } from "../../state/objects/object-store.ts";
import { toObjectToken } from "../../state/objects/to-object-token.ts";

const hourMs = 3_600_000;
const prefix = "keyuse.";
const limits = { keysMax: 200_000, storedAtOnceMax: 500 } as const;

export class KeyUses {
  readonly #store: ObjectStore;
  /** Begin of the hour in Unix milliseconds, by token of the key's id. */
  readonly #hours = new Map<string, number>();
  readonly #unstored = new Set<string>();
  readonly #tokens = new Map<string, string>();

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  /** The key is used now. Costs a look into a map unless a new hour has begun. */
  note(keyId: string, nowMs: number): void {
    const token = this.#tokenOf(keyId);
    const hour = nowMs - (nowMs % hourMs);
    const known = this.#hours.get(token);
    if ((known ?? 0) >= hour || (known === undefined && this.#hours.size >= limits.keysMax)) return;
    this.#hours.set(token, hour);
    this.#unstored.add(token);
  }

  lastUseMs(keyId: string): number | undefined {
    return this.#hours.get(this.#tokenOf(keyId));
  }

  /** Takes a change of the store; of other objects, nothing. */
  apply(change: ObjectChange): void {
    if (change.kind === "deleted") {
      if (change.key.startsWith(prefix)) this.#hours.delete(change.key.slice(prefix.length));
      return;
    }
    const { key, value } = change.object;
    const hour = Number(value);
    const token = key.slice(prefix.length);
    if (!key.startsWith(prefix) || !Number.isSafeInteger(hour)) return;
    if (hour > (this.#hours.get(token) ?? 0)) this.#hours.set(token, hour);
  }

  forget(keyId: string): void {
    const token = this.#tokenOf(keyId);
    this.#unstored.delete(token);
    this.#hours.delete(token);
    this.#tokens.delete(keyId);
    this.#store.delete(prefix + token, "any").catch(() => {}); // A time of a key that is gone harms nobody.
  }

  /** Stores some of what is new; to be called every minute or so. Never rejects: what failed is tried again. */
  async flush(): Promise<void> {
    const tokens = [...this.#unstored].slice(0, limits.storedAtOnceMax);
    for (const token of tokens) {
      const hour = this.#hours.get(token);
      this.#unstored.delete(token);
      if (hour === undefined) continue;
      try {
        await this.#store.put(prefix + token, String(hour), "any");
      } catch {
        this.#unstored.add(token); // The store is away: the rest would fail too.
        return;
      }
    }
  }

  /** Ids repeat with every call, their tokens need not be made anew. */
  #tokenOf(keyId: string): string {
    const known = this.#tokens.get(keyId);
    if (known !== undefined) return known;
    const token = toObjectToken(keyId);
    if (this.#tokens.size < limits.keysMax) this.#tokens.set(keyId, token);
    return token;
  }
}
