// Who calls: a virtual key or a JWT in `authorization: Bearer`, else the verified client certificate. A header that is
// there must hold by itself: a wrong key never falls back to the certificate.
import { hash, timingSafeEqual } from "node:crypto";
import type { Config } from "../config/config.ts";
import type { Caller } from "../domain/principal.ts";
import type { Authenticator } from "../pipeline/ports.ts";
import { createCertificateMatcher } from "./certificate-matcher.ts";
import { credentialsInvalid } from "./credentials-invalid.ts";
import type { KeyDirectory } from "./key-directory.ts";
import { createTokenVerifier, type TokenVerifierOptions } from "./token-verifier.ts";

export type AuthenticatorOptions = {
  readonly keys: KeyDirectory;
  readonly authentication: Config["authentication"];
  readonly tenants: Config["tenants"];
  /** GET of a JWKS as parsed JSON; rejects when it cannot be had. Asked only when a JWT arrives. */
  readonly fetchJwks: TokenVerifierOptions["fetchJwks"];
};

const limits = { authorizationBytesMax: 16_384 } as const;

/** RFC 6750 section 2.1. One credential only: a joined pair ("Bearer a, Bearer b") has a character outside. */
const bearer = /^bearer +([A-Za-z0-9\-._~+/]+=*)$/i;

/** Compared with when no key is found, so that a miss does the work of a hit. */
const noDigest = Buffer.alloc(32);

export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  const { keys, tenants } = options;
  const matchCertificate = createCertificateMatcher(options.authentication.mtls, tenants);
  const verifier =
    options.authentication.jwt.length === 0
      ? undefined
      : createTokenVerifier({ issuers: options.authentication.jwt, tenants, fetchJwks: options.fetchJwks });

  return {
    authenticate(start, nowMs) {
      const header = start.header("authorization");
      if (header !== undefined) {
        const token = toBearerToken(header);
        if (verifier !== undefined && isCompactJwt(token)) return verifier.verify(token, nowMs);
        return fromKey(token, keys, nowMs);
      }
      const caller = start.peer === undefined ? undefined : matchCertificate(start.peer);
      if (caller === undefined) throw credentialsInvalid();
      return caller;
    },
  };
}

function toBearerToken(header: string): string {
  const token = header.length > limits.authorizationBytesMax ? undefined : bearer.exec(header)?.[1];
  if (token === undefined) throw credentialsInvalid();
  return token;
}

/** Three parts, the first a JSON object in base64url. Keys that we make have no dots. */
function isCompactJwt(token: string): boolean {
  return token.startsWith("eyJ") && token.split(".").length === 3;
}

function fromKey(secret: string, keys: KeyDirectory, nowMs: number): Caller {
  const digestHex = hash("sha256", secret, "hex");
  const known = keys.find(digestHex);
  const isSame = timingSafeEqual(Buffer.from(digestHex, "hex"), known?.digest ?? noDigest);
  if (known === undefined || !isSame || known.disabled || nowMs >= known.expiresAtMs) throw credentialsInvalid();
  return known.caller;
}
