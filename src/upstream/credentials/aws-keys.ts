import type { Credential } from "../../domain/credential.ts";
import { asObject, asString, parseJson } from "../../wire/json.ts";
import { credentialFailure, type Dated } from "./credential-parts.ts";

export type AwsKeys = Extract<Credential, { readonly kind: "aws" }>;

/** Keys that last, as in a file. */
export const neverExpires = Number.MAX_SAFE_INTEGER;

/**
 * The JSON in which container endpoints and `credential_process` give keys: AccessKeyId, SecretAccessKey, Token or
 * SessionToken, Expiration (AWS SDKs and Tools Reference Guide).
 */
export function readAwsKeys(text: string): Dated<AwsKeys> {
  const answer = asObject(parseJson(text));
  const sessionToken = asString(answer?.["SessionToken"]) ?? asString(answer?.["Token"]);
  return toAwsKeys(
    asString(answer?.["AccessKeyId"]),
    asString(answer?.["SecretAccessKey"]),
    sessionToken,
    asString(answer?.["Expiration"]),
  );
}

/** `expiration`: RFC 3339; `undefined`: they last. */
export function toAwsKeys(
  accessKeyId: string | undefined,
  secretAccessKey: string | undefined,
  sessionToken: string | undefined,
  expiration: string | undefined,
): Dated<AwsKeys> {
  if (!accessKeyId || !secretAccessKey) throw credentialFailure("the answer has no access key");
  const expiresAtMs = expiration === undefined ? neverExpires : Date.parse(expiration);
  if (Number.isNaN(expiresAtMs)) throw credentialFailure("the expiration of the access key is no time");
  return { value: { kind: "aws", accessKeyId, secretAccessKey, sessionToken }, expiresAtMs };
}
