// Access tokens for Google Cloud: from a service account's key, from another kind of credential file (workload identity
// federation, impersonation) by Google's own library, and from the metadata server of a machine in the cloud.
import { createSign } from "node:crypto";
import { asNumber, asObject, asString, type JsonRecord, parseJson } from "../../wire/json.ts";
import { toRequest } from "../fetch-text.ts";
import { type CredentialParts, credentialFailure, type Dated, type Source } from "./credential-parts.ts";
import { RenewedSource } from "./renewed-source.ts";

const scope = "https://www.googleapis.com/auth/cloud-platform";
const tokenUri = "https://oauth2.googleapis.com/token";
const tokenLifeSeconds = 3_600;

export function createServiceAccountSource(json: Source<string>, parts: CredentialParts): Source<string> {
  return new RenewedSource(async () => {
    const file = asObject(parseJson(await json.get()));
    if (file === undefined) throw credentialFailure("the service account is not a JSON object");
    return file["type"] === "service_account" ? signIn(file, parts) : signInByLibrary(file, parts);
  }, parts);
}

/** Metadata server (Google Cloud documentation, "Access tokens for VMs"); `GCE_METADATA_HOST` replaces its host. */
export function createMetadataSource(parts: CredentialParts): Source<string> {
  const host = parts.env["GCE_METADATA_HOST"] ?? "metadata.google.internal";
  const url = `http://${host}/computeMetadata/v1/instance/service-accounts/default/token`;
  return new RenewedSource(async () => {
    const { status, text } = await parts.fetchText(toRequest(url, { headers: { "metadata-flavor": "Google" } }));
    if (status !== 200) throw credentialFailure(`the metadata server answered ${status}`);
    return readToken(text, parts);
  }, parts);
}

/** OAuth 2.0 for service accounts: a signed assertion for a token (RFC 7523, section 2.1). */
async function signIn(file: JsonRecord, parts: CredentialParts): Promise<Dated<string>> {
  const email = asString(file["client_email"]);
  const privateKey = asString(file["private_key"]);
  if (email === undefined || privateKey === undefined) {
    throw credentialFailure("the service account has no client_email or no private_key");
  }
  const uri = asString(file["token_uri"]) ?? tokenUri;
  const assertion = toAssertion(email, privateKey, asString(file["private_key_id"]), uri, parts.nowMs());
  const body = new URLSearchParams({ grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer", assertion }).toString();
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  const { status, text } = await parts.fetchText(toRequest(uri, { method: "POST", headers, body }));
  if (status !== 200) throw credentialFailure(`Google's token server answered ${status}`);
  return readToken(text, parts);
}

function toAssertion(email: string, key: string, keyId: string | undefined, audience: string, nowMs: number): string {
  const issuedAt = Math.floor(nowMs / 1_000);
  const header = { alg: "RS256", typ: "JWT", ...(keyId === undefined ? {} : { kid: keyId }) };
  const claims = { iss: email, scope, aud: audience, iat: issuedAt, exp: issuedAt + tokenLifeSeconds };
  const signed = `${toBase64Url(header)}.${toBase64Url(claims)}`;
  try {
    return `${signed}.${createSign("RSA-SHA256").update(signed).sign(key, "base64url")}`;
  } catch {
    // The error of the crypto library may quote the key.
    throw credentialFailure("the private_key of the service account cannot sign");
  }
}

function toBase64Url(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

function readToken(text: string, { nowMs }: CredentialParts): Dated<string> {
  const answer = asObject(parseJson(text));
  const token = asString(answer?.["access_token"]);
  if (token === undefined) throw credentialFailure("Google's answer has no access_token");
  const lifeSeconds = asNumber(answer?.["expires_in"]) ?? tokenLifeSeconds;
  return { value: token, expiresAtMs: nowMs() + lifeSeconds * 1_000 };
}

/** Loaded only where it is needed: the library takes longer to load than the rest of the gateway. */
async function signInByLibrary(file: JsonRecord, { nowMs }: CredentialParts): Promise<Dated<string>> {
  const { GoogleAuth } = await import("google-auth-library");
  const client = new GoogleAuth({ scopes: [scope] }).fromJSON({ ...file });
  const { token } = await client.getAccessToken();
  if (typeof token !== "string") throw credentialFailure("Google's library gave no access token");
  return { value: token, expiresAtMs: client.credentials.expiry_date ?? nowMs() + tokenLifeSeconds * 1_000 };
}
