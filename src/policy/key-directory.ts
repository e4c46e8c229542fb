// Virtual keys by the digest of their secret, each with its ready-made caller. Secrets are never held: a lookup needs the
// secret only to digest it. The directory changes while the gateway runs (keys made, rotated, revoked elsewhere).
import type { Config, KeyConfig } from "../config/config.ts";
import type { Caller } from "../domain/principal.ts";
import { createTenancyIndex, noTenancy, type TenancyIndex } from "./tenancy.ts";

export type KnownKey = {
  readonly caller: Caller;
  /** SHA-256 of the secret, 32 bytes. */
  readonly digest: Uint8Array;
  /** Unix milliseconds; Infinity: never expires. */
  readonly expiresAtMs: number;
  readonly disabled: boolean;
};

export interface KeyDirectory {
  /** By SHA-256 of the secret in lower-case hex. */
  find(digestHex: string): KnownKey | undefined;
  /** Adds a key, or replaces the key with the same id (also its digest, after a rotation). */
  put(key: KeyConfig): void;
  /** Forgets the key with this id; a call that is under way ends normally. */
  remove(keyId: string): void;
  readonly size: number;
}

/** Throws when two keys of the config share an id or a digest: which caller is meant would depend on their order. */
export function createKeyDirectory(keys: readonly KeyConfig[], tenants: Config["tenants"]): KeyDirectory {
  const tenancy = createTenancyIndex(tenants);
  const byDigest = new Map<string, KnownKey>();
  const digestById = new Map<string, string>();
  const directory: KeyDirectory = {
    find: (digestHex) => byDigest.get(digestHex),
    put(key) {
      const digestHex = key.digest.toLowerCase();
      const holder = byDigest.get(digestHex);
      if (holder !== undefined && holder.caller.keyId !== key.id) {
        throw new Error(`keys ${holder.caller.keyId} and ${key.id} have the same secret`);
      }
      directory.remove(key.id);
      byDigest.set(digestHex, toKnownKey(key, tenancy));
      digestById.set(key.id, digestHex);
    },
    remove(keyId) {
      const digestHex = digestById.get(keyId);
      if (digestHex === undefined) return;
      byDigest.delete(digestHex);
      digestById.delete(keyId);
    },
    get size() {
      return byDigest.size;
    },
  };
  for (const key of keys) {
    if (digestById.has(key.id)) throw new Error(`two keys have the id ${key.id}`);
    directory.put(key);
  }
  return directory;
}

function toKnownKey(key: KeyConfig, tenancy: TenancyIndex): KnownKey {
  const digest = Buffer.from(key.digest, "hex");
  if (digest.length !== 32) throw new Error(`the digest of key ${key.id} is not a SHA-256 in hex`);
  return {
    caller: {
      ...(tenancy.get(key.projectId) ?? noTenancy),
      projectId: key.projectId,
      keyId: key.id,
      service: "",
      roles: key.roles,
      models: key.models,
    },
    digest,
    expiresAtMs: key.expiresAtMs ?? Number.POSITIVE_INFINITY,
    disabled: key.disabled,
  };
}
