// Callers who come with a JWT of a trusted issuer. Signature, issuer, audience and times are checked by `jose`, with
// asymmetric algorithms only, so that neither `none` nor a public key used as an HMAC secret can pass.
import { hash } from "node:crypto";
import type { JWTPayload, JWTVerifyGetKey } from "jose";
import type { Config, JwtIssuerConfig } from "../config/config.ts";
import type { Caller, CallerRole } from "../domain/principal.ts";
import { readListClaim, readTextClaim } from "./claim.ts";
import { credentialsInvalid } from "./credentials-invalid.ts";
import type { JwksCache } from "./jwks-cache.ts";
import { createTenancyIndex, inTenancy, type Tenancy, type TenancyIndex } from "./tenancy.ts";

export type TokenVerifierOptions = {
  readonly issuers: readonly JwtIssuerConfig[];
  readonly tenants: Config["tenants"];
  readonly fetchJwks: (url: string) => Promise<unknown>;
};

export interface TokenVerifier {
  /** Synchronous for a token that was verified a moment ago. */
  verify(token: string, nowMs: number): Caller | Promise<Caller>;
}

const algorithms = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
];

const limits = {
  /** Difference of clocks that is forgiven. */
  clockToleranceS: 5,
  /** A verified token is believed for so long, and never past its own expiry: the delay of a withdrawn issuer key. */
  believedMsMax: 60_000,
  tokensHeldMax: 10_000,
  claimLengthMax: 256,
} as const;

type Issuer = { readonly config: JwtIssuerConfig; readonly cache: () => Promise<JwksCache> };
type Verified = { readonly caller: Caller; readonly untilMs: number };

export function createTokenVerifier(options: TokenVerifierOptions): TokenVerifier {
  const issuers = options.issuers.map((config) => toIssuer(config, options.fetchJwks));
  const tenancy = createTenancyIndex(options.tenants);
  const believed = new Map<string, Verified>();

  async function verifyAnew(token: string, digest: string, nowMs: number): Promise<Caller> {
    const verified = await verifyWithIssuers(token, issuers, tenancy, nowMs);
    if (believed.size >= limits.tokensHeldMax) believed.delete(believed.keys().next().value ?? "");
    believed.set(digest, verified);
    return verified.caller;
  }

  return {
    verify(token, nowMs) {
      const digest = hash("sha256", token, "base64");
      const held = believed.get(digest);
      if (held !== undefined && nowMs < held.untilMs) return held.caller;
      believed.delete(digest);
      return verifyAnew(token, digest, nowMs);
    },
  };
}

function toIssuer(config: JwtIssuerConfig, fetchJwks: TokenVerifierOptions["fetchJwks"]): Issuer {
  const url = config.jwksUri ?? `${config.issuer.replace(/\/$/, "")}/.well-known/jwks.json`;
  let cache: Promise<JwksCache> | undefined;
  return {
    config,
    cache: () => {
      // Loaded with the first token: most deployments have none, and `jose` would lengthen their start.
      cache ??= import("./jwks-cache.ts").then((module) => module.createJwksCache({ url, fetchJwks }));
      return cache;
    },
  };
}

async function verifyWithIssuers(
  token: string,
  issuers: readonly Issuer[],
  tenancy: TenancyIndex,
  nowMs: number,
): Promise<Verified> {
  const { decodeJwt } = await import("jose");
  let failure: unknown;
  try {
    // Read before it is verified, only to choose whose keys to verify it with.
    const claimed = decodeJwt(token).iss;
    for (const issuer of issuers.filter(({ config }) => config.issuer === claimed)) {
      try {
        const claims = await verifyWithIssuer(token, issuer, nowMs);
        return { caller: toCaller(claims, issuer.config, tenancy), untilMs: believedUntilMs(claims, nowMs) };
      } catch (error) {
        failure = error; // Another entry may trust the same issuer for another audience.
      }
    }
  } catch (error) {
    failure = error;
  }
  throw credentialsInvalid(failure);
}

async function verifyWithIssuer(token: string, issuer: Issuer, nowMs: number): Promise<JWTPayload> {
  const { jwtVerify, errors } = await import("jose");
  const verify = async (keys: JWTVerifyGetKey) => {
    const { payload } = await jwtVerify(token, keys, {
      issuer: issuer.config.issuer,
      audience: issuer.config.audience,
      algorithms,
      requiredClaims: ["exp"],
      clockTolerance: limits.clockToleranceS,
      currentDate: new Date(nowMs),
    });
    return payload;
  };
  const cache = await issuer.cache();
  try {
    return await verify(await cache.keys(nowMs));
  } catch (error) {
    if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
    const newer = await cache.newerKeys(nowMs);
    if (newer === undefined) throw error;
    return verify(newer);
  }
}

function believedUntilMs(claims: JWTPayload, nowMs: number): number {
  return Math.min(nowMs + limits.believedMsMax, (claims.exp ?? 0) * 1000);
}

function toCaller(claims: JWTPayload, issuer: JwtIssuerConfig, tenancy: TenancyIndex): Caller {
  const names = issuer.claims;
  const projectId = checkLength(readTextClaim(claims, names["project"] ?? "project"));
  const service = checkLength(readTextClaim(claims, names["user"] ?? "sub"));
  if (projectId === "") throw new Error("the token names no project");
  const claimed = {
    teamId: checkLength(readTextClaim(claims, names["team"] ?? "team")),
    organisationId: checkLength(readTextClaim(claims, names["organisation"] ?? "organisation")),
  };
  const grant = {
    models: names["models"] === undefined ? ["*"] : readListClaim(claims, names["models"]),
    providers:
      names["providers"] === undefined ? undefined : readListClaim(claims, names["providers"]).map(toLowerCase),
  };
  return {
    ...inTenancy(toTenancy(projectId, claimed, tenancy), grant),
    projectId,
    keyId: "",
    service,
    roles: toRoles(claims, names["roles"]),
  };
}

function toLowerCase(text: string): string {
  return text.toLowerCase();
}

/** Tenants in the config are the truth: a token may repeat them but not contradict them. Without any, the token tells. */
function toTenancy(projectId: string, claimed: Tenancy, tenancy: TenancyIndex): Tenancy {
  if (tenancy.size === 0) return claimed;
  const known = tenancy.get(projectId);
  if (known === undefined) throw new Error("the token's project is not known");
  const isContradicted =
    (claimed.teamId !== "" && claimed.teamId !== known.teamId) ||
    (claimed.organisationId !== "" && claimed.organisationId !== known.organisationId);
  if (isContradicted) throw new Error("the token's team or organisation is not that of its project");
  return known;
}

const roleNames: readonly CallerRole[] = ["inference", "usage", "admin", "platform"];

/** More than inference is given only by a claim that the config names: a claim of the same name by chance gives nothing. */
function toRoles(claims: JWTPayload, name: string | undefined): readonly CallerRole[] {
  if (name === undefined) return ["inference"];
  const listed = readListClaim(claims, name);
  return roleNames.filter((role) => listed.includes(role));
}

function checkLength(value: string): string {
  if (value.length > limits.claimLengthMax) throw new Error("a claim is too long");
  return value;
}
