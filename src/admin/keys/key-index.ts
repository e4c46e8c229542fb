// The stored keys as this instance knows them: fed by the store's watch, and at once by our own changes. Keeps the
// directory that authentication looks into true.
import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { KeyDirectory } from "../../policy/key-directory.ts";
import type { ObjectChange } from "../../state/objects/object-store.ts";
import { toObjectToken } from "../../state/objects/to-object-token.ts";
import { ObjectVersions } from "../object-versions.ts";
import { type KeyRecord, parseKeyRecord, toDirectoryKey } from "./key-record.ts";

export type StoredKey = { readonly record: KeyRecord; readonly revision: number };

export type KeyIndexOptions = {
  readonly directory: KeyDirectory;
  /** Ids of the configuration file, which win. */
  readonly configIds: ReadonlySet<string>;
  /** Hears of a stored key that cannot be used; the message has no secret. Must not throw. */
  readonly onUnusable: (objectKey: string, error: unknown) => void;
  /** Hears of every key that is new, changed or gone. */
  readonly onChange?: ((keyId: string) => void) | undefined;
};

const prefix = "key.";

export function toKeyObject(keyId: string): string {
  return prefix + toObjectToken(keyId);
}

export class KeyIndex {
  readonly #options: KeyIndexOptions;
  readonly #versions = new ObjectVersions();
  /** By key of the object. */
  readonly #keys = new Map<string, StoredKey>();

  constructor(options: KeyIndexOptions) {
    this.#options = options;
  }

  find(keyId: string): StoredKey | undefined {
    return this.#keys.get(toKeyObject(keyId));
  }

  /** In no order. */
  values(): Iterable<StoredKey> {
    return this.#keys.values();
  }

  /** Takes a change of the store; of other objects and of older versions than the known one, nothing. */
  apply(change: ObjectChange): void {
    const objectKey = change.kind === "put" ? change.object.key : change.key;
    if (!objectKey.startsWith(prefix)) return;
    if (!this.#versions.isNews(change)) return;
    if (change.kind === "deleted") {
      this.#forget(objectKey);
      return;
    }
    const { value, revision } = change.object;
    try {
      this.#take(objectKey, parseKeyRecord(value), revision);
    } catch (error) {
      this.#forget(objectKey); // What cannot be read must not stay valid in its old version.
      this.#options.onUnusable(objectKey, error);
    }
  }

  #take(objectKey: string, record: KeyRecord, revision: number): void {
    const { keyId } = record.key;
    const { configIds, directory, onChange } = this.#options;
    if (configIds.has(keyId)) throw new Error("a key of the configuration file has the same id");
    directory.put(toDirectoryKey(record));
    this.#keys.set(objectKey, { record, revision });
    onChange?.(keyId);
  }

  #forget(objectKey: string): void {
    const known = this.#keys.get(objectKey);
    if (known === undefined) return;
    this.#keys.delete(objectKey);
    this.#options.directory.remove(known.record.key.keyId);
    this.#options.onChange?.(known.record.key.keyId);
  }
}

/** Unix milliseconds. */
export function createdAtMs({ key }: KeyRecord): number {
  return key.createTime === undefined ? 0 : timestampMs(key.createTime);
}
