// Which version of each stored object is known here. Changes come twice, from our own writes and from the store's watch, and
// so in any order: a late word of an old version must neither bring a deleted object back nor delete a new one.
import type { ObjectChange } from "../state/objects/object-store.ts";

const limits = { deletedMax: 10_000 } as const;

export class ObjectVersions {
  readonly #present = new Map<string, number>();
  /** Oldest first. A word of an old version comes within moments, so only the latest need to be remembered. */
  readonly #deleted = new Map<string, number>();

  /** Whether the change is news; it is remembered then. */
  isNews(change: ObjectChange): boolean {
    const [key, revision] =
      change.kind === "put" ? [change.object.key, change.object.revision] : [change.key, change.revision];
    const known = this.#present.get(key);
    if (change.kind === "put") {
      if (revision <= (known ?? 0) || revision <= (this.#deleted.get(key) ?? 0)) return false;
      this.#present.set(key, revision);
      return true;
    }
    if (known !== undefined && revision < known) return false;
    this.#present.delete(key);
    this.#rememberDeleted(key, revision);
    return true;
  }

  #rememberDeleted(key: string, revision: number): void {
    const before = this.#deleted.get(key) ?? 0;
    this.#deleted.delete(key);
    this.#deleted.set(key, Math.max(before, revision));
    if (this.#deleted.size <= limits.deletedMax) return;
    const [oldest] = this.#deleted.keys();
    if (oldest !== undefined) this.#deleted.delete(oldest);
  }
}
