// A key as it is stored: the contract's message without what is only answered, and what callers never see.
import { clone, fromJson, type JsonValue, toJson } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { adminKeys } from "../../contract.ts";
import type { DirectoryKey } from "../../policy/key-directory.ts";
import { isObject, textAt } from "../stored-json.ts";
import { toRoles } from "./allowed-methods.ts";
import { toGrant } from "./key-grant.ts";

export type KeyRecord = {
  /** Without etag and last use. */
  readonly key: adminKeys.Key;
  /** SHA-256 of the secret in hex. */
  readonly digest: string;
  /** The secret before the last rotation. */
  readonly previous: { readonly digest: string; readonly untilMs: number } | undefined;
  /** Digest of the request that created it, when that had a request id; "" otherwise. */
  readonly creation: string;
};

export function formatKeyRecord({ key, digest, previous, creation }: KeyRecord): string {
  return JSON.stringify({ key: toJson(adminKeys.KeySchema, key), digest, previous, creation });
}

/** Throws on a text that `formatKeyRecord` did not write: a key that cannot be read must not open anything. */
export function parseKeyRecord(text: string): KeyRecord {
  const json: unknown = JSON.parse(text);
  const previous = isObject(json) ? json["previous"] : undefined;
  const untilMs = isObject(previous) ? previous["untilMs"] : undefined;
  if (!isObject(json) || (previous !== undefined && typeof untilMs !== "number")) throw new Error("not a stored key");
  return {
    key: fromJson(adminKeys.KeySchema, json["key"] as JsonValue),
    digest: textAt(json, "digest"),
    previous:
      isObject(previous) && typeof untilMs === "number" ? { digest: textAt(previous, "digest"), untilMs } : undefined,
    creation: textAt(json, "creation"),
  };
}

/** What authentication knows of it. */
export function toDirectoryKey({ key, digest, previous }: KeyRecord): DirectoryKey {
  const labels = Object.keys(key.labels).length === 0 ? undefined : key.labels;
  return {
    id: key.keyId,
    projectId: key.projectId,
    digest,
    roles: toRoles(key.allowedMethods),
    ...toGrant(key),
    expiresAtMs: key.expireTime === undefined ? undefined : timestampMs(key.expireTime),
    disabled: key.disabled,
    previous,
    methods: key.allowedMethods.length === 0 ? undefined : key.allowedMethods,
    labels,
  };
}

/** A copy to change; messages that were given out stay as they are. */
export function copyKey(key: adminKeys.Key): adminKeys.Key {
  return clone(adminKeys.KeySchema, key);
}
