// Virtual keys by the digest of their secret, each with its ready-made caller. Secrets are never held: a lookup needs the
// secret only to digest it. The directory changes while the gateway runs (keys made, rotated, revoked elsewhere).
import type { Config, KeyConfig } from "../config/config.ts";
import type { Caller } from "../domain/principal.ts";
import { createTenancyIndex, inTenancy, noTenancy, type TenancyIndex } from "./tenancy.ts";

export type KnownKey = {
  readonly caller: Caller;
  /** SHA-256 of the secret, 32 bytes. */
  readonly digest: Uint8Array;
  /** Unix milliseconds; Infinity: never expires. */
  readonly expiresAtMs: number;
  readonly disabled: boolean;
};

/** A key of the config, or one that was made while the gateway runs and can do more. */
export type DirectoryKey = KeyConfig & {
  /** The secret before the last rotation, good until `untilMs` (Unix milliseconds). */
  readonly previous?: { readonly digest: string; readonly untilMs: number } | undefined;
  readonly methods?: readonly string[] | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
};

export interface KeyDirectory {
  /** By SHA-256 of the secret in lower-case hex. */
  find(digestHex: string): KnownKey | undefined;
  /**
   * Adds a key, or replaces the key with the same id (also its digest, after a rotation). Throws when another key has the
   * same secret, and then changes nothing.
   */
  put(key: DirectoryKey): void;
  /** Forgets the key with this id; a call that is under way ends normally. */
  remove(keyId: string): void;
  /** Secrets that are known: a key has two while its rotation overlaps. */
  readonly size: number;
}

/** Throws when two keys of the config share an id or a digest: which caller is meant would depend on their order. */
export function createKeyDirectory(keys: readonly KeyConfig[], tenants: Config["tenants"]): KeyDirectory {
  const tenancy = createTenancyIndex(tenants);
  const byDigest = new Map<string, KnownKey>();
  const digestsById = new Map<string, readonly string[]>();
  const directory: KeyDirectory = {
    find: (digestHex) => byDigest.get(digestHex),
    put(key) {
      const known = toKnownKeys(key, tenancy);
      for (const digestHex of known.keys()) {
        const holder = byDigest.get(digestHex);
        if (holder !== undefined && holder.caller.keyId !== key.id) {
          throw new Error(`keys ${holder.caller.keyId} and ${key.id} have the same secret`);
        }
      }
      directory.remove(key.id);
      for (const [digestHex, one] of known) byDigest.set(digestHex, one);
      digestsById.set(key.id, [...known.keys()]);
    },
    remove(keyId) {
      for (const digestHex of digestsById.get(keyId) ?? []) byDigest.delete(digestHex);
      digestsById.delete(keyId);
    },
    get size() {
      return byDigest.size;
    },
  };
  for (const key of keys) {
    if (digestsById.has(key.id)) throw new Error(`two keys have the id ${key.id}`);
    directory.put(key);
  }
  return directory;
}

/** By digest in lower-case hex. Both secrets of a rotation stand for one caller. */
function toKnownKeys(key: DirectoryKey, tenancy: TenancyIndex): ReadonlyMap<string, KnownKey> {
  const caller = toCaller(key, tenancy);
  const expiresAtMs = key.expiresAtMs ?? Number.POSITIVE_INFINITY;
  const known = new Map<string, KnownKey>();
  if (key.previous !== undefined) {
    const untilMs = Math.min(expiresAtMs, key.previous.untilMs);
    const digest = toDigest(key.id, key.previous.digest);
    known.set(key.previous.digest.toLowerCase(), { caller, digest, expiresAtMs: untilMs, disabled: key.disabled });
  }
  const digest = toDigest(key.id, key.digest);
  known.set(key.digest.toLowerCase(), { caller, digest, expiresAtMs, disabled: key.disabled });
  return known;
}

function toCaller(key: DirectoryKey, tenancy: TenancyIndex): Caller {
  const { methods, labels } = key;
  return {
    ...inTenancy(tenancy.get(key.projectId) ?? noTenancy, key),
    projectId: key.projectId,
    keyId: key.id,
    service: "",
    roles: key.roles,
    ...(methods === undefined ? {} : { methods }),
    ...(labels === undefined ? {} : { labels }),
  };
}

function toDigest(keyId: string, digestHex: string): Uint8Array {
  const digest = Buffer.from(digestHex, "hex");
  if (digest.length !== 32) throw new Error(`the digest of key ${keyId} is not a SHA-256 in hex`);
  return digest;
}
