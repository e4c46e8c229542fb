// The port between administration and the shared state: small objects as text, each with a revision, so that a change
// based on an old version is refused. Every instance hears of every change.

export type StoredObject = {
  /** Tokens of `[A-Za-z0-9_=-]` joined by ".", e.g. "key.search-prod"; see `toObjectToken`. */
  readonly key: string;
  readonly value: string;
  /** Rises with every change of any object; of use only to compare. */
  readonly revision: number;
};

export type ObjectChange =
  | { readonly kind: "put"; readonly object: StoredObject }
  /** Every version up to `revision` is gone. */
  | { readonly kind: "deleted"; readonly key: string; readonly revision: number };

/** `absent`: the object must not exist yet. `any`: whatever is there is replaced. */
export type ExpectedRevision = number | "absent" | "any";

export interface ObjectStore {
  get(key: string): Promise<StoredObject | undefined>;
  /** Objects whose key begins with `prefix`, by key, after the key `after`, at most `limit`. */
  list(prefix: string, page: { readonly after: string; readonly limit: number }): Promise<readonly StoredObject[]>;
  /**
   * Durable when it resolves, with the new revision. Rejects with `RevisionConflict` when the object is not as expected,
   * with another error when the store cannot be reached or is full.
   */
  put(key: string, value: string, expected: ExpectedRevision): Promise<number>;
  /** False: there was no such object. Rejects like `put`. */
  delete(key: string, expected: Exclude<ExpectedRevision, "absent">): Promise<boolean>;
  /**
   * Tells of every object that is there, then of every change, by whomever; a change may be told twice. Resolves when the
   * objects that were there have been told. To be called once; `onChange` must not throw.
   */
  watch(onChange: (change: ObjectChange) => void): Promise<void>;
  close(): Promise<void>;
}

/** Bounds that both engines keep. */
export const objectLimits = { valueBytesMax: 64 * 1024, objectsMax: 200_000 } as const;
