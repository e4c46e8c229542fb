// A role taken with a token of the cluster (IRSA): AssumeRoleWithWebIdentity (AWS STS API reference). The request is not
// signed; the token is the proof.
import { toRequest } from "../fetch-text.ts";
import { type AwsKeys, toAwsKeys } from "./aws-keys.ts";
import { type CredentialParts, credentialFailure, type Source } from "./credential-parts.ts";
import { FileSource } from "./file-source.ts";
import { RenewedSource } from "./renewed-source.ts";

export function createWebIdentitySource(parts: CredentialParts): Source<AwsKeys> {
  const { env } = parts;
  const tokenFile = env["AWS_WEB_IDENTITY_TOKEN_FILE"];
  const tokenSource = tokenFile === undefined ? undefined : new FileSource(tokenFile, parts.nowMs);
  return new RenewedSource(async () => {
    const roleArn = env["AWS_ROLE_ARN"];
    if (tokenSource === undefined || roleArn === undefined) {
      throw credentialFailure("AWS_WEB_IDENTITY_TOKEN_FILE or AWS_ROLE_ARN is not set");
    }
    const body = new URLSearchParams({
      Action: "AssumeRoleWithWebIdentity",
      Version: "2011-06-15",
      RoleArn: roleArn,
      RoleSessionName: env["AWS_ROLE_SESSION_NAME"] ?? "llm-gateway",
      WebIdentityToken: tokenSource.get().trim(),
    }).toString();
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const { status, text } = await parts.fetchText(toRequest(endpointOf(env), { method: "POST", headers, body }));
    if (status !== 200)
      throw credentialFailure(`AWS STS answered ${status} ${elementOf(text, "Code") ?? ""}`.trimEnd());
    return toAwsKeys(
      elementOf(text, "AccessKeyId"),
      elementOf(text, "SecretAccessKey"),
      elementOf(text, "SessionToken"),
      elementOf(text, "Expiration"),
    );
  }, parts);
}

/** `AWS_ENDPOINT_URL_STS` replaces the address, as in the AWS SDKs. */
function endpointOf(env: CredentialParts["env"]): string {
  const region = env["AWS_REGION"] ?? env["AWS_DEFAULT_REGION"];
  return (
    env["AWS_ENDPOINT_URL_STS"] ??
    (region === undefined ? "https://sts.amazonaws.com/" : `https://sts.${region}.amazonaws.com/`)
  );
}

/** Text of the first element of a name; what STS puts there has no entities to decode. */
function elementOf(
  xml: string,
  name: "AccessKeyId" | "SecretAccessKey" | "SessionToken" | "Expiration" | "Code",
): string | undefined {
  const start = xml.indexOf(`<${name}>`);
  const end = xml.indexOf(`</${name}>`, start);
  return start < 0 || end < 0 ? undefined : xml.slice(start + name.length + 2, end).trim();
}
