import type { JSONWebKeySet, JWTVerifyGetKey } from "jose";
import { createLocalJWKSet, errors } from "jose";

export type JwksCacheOptions = {
  readonly url: string;
  /** GET of the key set as parsed JSON; rejects when it cannot be had. */
  readonly fetchJwks: (url: string) => Promise<unknown>;
};

const limits = {
  /** A held set is used for so long without asking again. */
  freshMs: 10 * 60_000,
  /** Tokens with made-up key ids cause at most one request in so long. */
  betweenFetchesMsMin: 30_000,
  /** A set that cannot be refreshed serves for so long after it was fetched. */
  staleMsMax: 24 * 60 * 60_000,
  keysMax: 100,
} as const;

/** Keys of one issuer: fetched when first needed, shared by all who wait, asked for again when a key id is unknown. */
export interface JwksCache {
  /** Resolves with the key finder for `jwtVerify`. Rejects when no usable set can be had. */
  keys(nowMs: number): Promise<JWTVerifyGetKey>;
  /** After an unknown key id: fetches again if the last fetch is long enough ago; `undefined`: nothing newer. */
  newerKeys(nowMs: number): Promise<JWTVerifyGetKey | undefined>;
}

export function createJwksCache(options: JwksCacheOptions): JwksCache {
  let held: { readonly find: JWTVerifyGetKey; readonly fetchedAtMs: number } | undefined;
  let lastTriedAtMs = Number.NEGATIVE_INFINITY;
  let pending: Promise<void> | undefined;

  function refresh(nowMs: number): Promise<void> {
    lastTriedAtMs = nowMs;
    pending ??= options
      .fetchJwks(options.url)
      .then((json) => {
        held = { find: createLocalJWKSet(toKeySet(json)), fetchedAtMs: nowMs };
      })
      .finally(() => {
        pending = undefined;
      });
    return pending;
  }

  const mayFetch = (nowMs: number) => pending !== undefined || nowMs - lastTriedAtMs >= limits.betweenFetchesMsMin;

  return {
    async keys(nowMs) {
      const ageMs = held === undefined ? Number.POSITIVE_INFINITY : nowMs - held.fetchedAtMs;
      if (ageMs >= limits.freshMs && mayFetch(nowMs)) {
        try {
          await refresh(nowMs);
        } catch (error) {
          // An issuer that is down for a while must not lock out callers whose keys we know.
          if (ageMs >= limits.staleMsMax) throw error;
        }
      }
      if (held === undefined || nowMs - held.fetchedAtMs >= limits.staleMsMax) {
        throw new errors.JWKSTimeout("the key set could not be fetched a moment ago");
      }
      return held.find;
    },
    async newerKeys(nowMs) {
      if (!mayFetch(nowMs)) return undefined;
      await refresh(nowMs);
      return held?.find;
    },
  };
}

function toKeySet(json: unknown): JSONWebKeySet {
  if (typeof json !== "object" || json === null || !("keys" in json) || !Array.isArray(json.keys)) {
    throw new errors.JWKSInvalid("the key set has no list of keys");
  }
  if (json.keys.length > limits.keysMax) throw new errors.JWKSInvalid("the key set has too many keys");
  // Symmetric keys have no place in a public set; kept, they would invite key confusion.
  const keys: unknown[] = json.keys;
  return { keys: keys.filter(isAsymmetricKey) };
}

function isAsymmetricKey(key: unknown): key is JSONWebKeySet["keys"][number] {
  return typeof key === "object" && key !== null && "kty" in key && ["RSA", "EC", "OKP"].includes(String(key.kty));
}
