// Credentials of a container on ECS or EKS (AWS SDKs and Tools Reference Guide, "Container credential provider").
import { toRequest } from "../fetch-text.ts";
import { type AwsKeys, readAwsKeys } from "./aws-keys.ts";
import { type CredentialParts, credentialFailure, type Source } from "./credential-parts.ts";
import { FileSource } from "./file-source.ts";
import { RenewedSource } from "./renewed-source.ts";

const ecsOrigin = "http://169.254.170.2";
/** Where clear text may be spoken: this machine, and the link-local addresses of ECS and EKS. */
const clearTextHosts: ReadonlySet<string> = new Set([
  "localhost",
  "[::1]",
  "169.254.170.2",
  "169.254.170.23",
  "[fd00:ec2::23]",
]);

export function createContainerSource(parts: CredentialParts): Source<AwsKeys> {
  const tokenFile = parts.env["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"];
  const tokenSource = tokenFile === undefined ? undefined : new FileSource(tokenFile, parts.nowMs);
  return new RenewedSource(async () => {
    const token = tokenSource?.get().trim() ?? parts.env["AWS_CONTAINER_AUTHORIZATION_TOKEN"];
    const headers = token === undefined ? {} : { authorization: token };
    const { status, text } = await parts.fetchText(toRequest(endpointOf(parts.env), { headers }));
    if (status !== 200) throw credentialFailure(`the container's credential endpoint answered ${status}`);
    return readAwsKeys(text);
  }, parts);
}

function endpointOf(env: CredentialParts["env"]): string {
  const relative = env["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"];
  if (relative !== undefined) return `${ecsOrigin}${relative}`;
  const full = env["AWS_CONTAINER_CREDENTIALS_FULL_URI"];
  if (full === undefined || !URL.canParse(full)) {
    throw credentialFailure("no AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI: not in a container of ECS or EKS");
  }
  const { protocol, hostname } = new URL(full);
  if (protocol === "https:" || clearTextHosts.has(hostname) || hostname.startsWith("127.")) return full;
  throw credentialFailure("AWS_CONTAINER_CREDENTIALS_FULL_URI must be https, loopback or an ECS or EKS address");
}
