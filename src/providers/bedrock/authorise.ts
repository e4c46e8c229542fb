// Signature Version 4 (docs.aws.amazon.com/IAM, "Create a signed AWS API request"), by the library of the AWS SDK. It signs
// a value at a given time, and so stays pure.
import { createHash, createHmac, type Hash, type Hmac } from "node:crypto";
import { SignatureV4 } from "@smithy/signature-v4";
import type { Credential } from "../../domain/credential.ts";
import type { HttpRequest } from "../../domain/http.ts";
import { ProviderFailure } from "../../domain/provider-failure.ts";
import { withBearer } from "../bearer-credential.ts";

/** Keys of an account sign the request; an API key of Bedrock is a bearer token. `nowMs`: Unix milliseconds. */
export function authorise(
  request: HttpRequest,
  credential: Credential,
  region: string,
  nowMs: number,
): HttpRequest | Promise<HttpRequest> {
  switch (credential.kind) {
    case "aws":
      return sign(request, credential, region, nowMs);
    case "api-key":
      return withBearer(request, credential);
    case "none":
      return request; // Behind a proxy that signs.
    case "access-token":
      throw new ProviderFailure("credentials-rejected", "this provider takes AWS credentials or an API key");
    default:
      return credential satisfies never;
  }
}

async function sign(
  request: HttpRequest,
  credential: Extract<Credential, { kind: "aws" }>,
  region: string,
  nowMs: number,
): Promise<HttpRequest> {
  const { accessKeyId, secretAccessKey, sessionToken } = credential;
  const signer = new SignatureV4({
    service: "bedrock",
    region,
    credentials: { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) },
    sha256: Sha256,
  });
  const { protocol, host, hostname } = new URL(request.origin);
  const [path = "", query = ""] = request.path.split("?", 2);
  const signed = await signer.sign(
    {
      method: request.method,
      protocol,
      hostname,
      path,
      query: Object.fromEntries(new URLSearchParams(query)),
      headers: { ...request.headers, host },
      body: request.body,
    },
    { signingDate: new Date(nowMs) },
  );
  const { host: _, ...headers } = signed.headers; // Whoever sends the request sets it.
  return { ...request, headers };
}

/** SHA-256, and HMAC with it, in the form that the library wants. */
class Sha256 {
  readonly #hash: Hash | Hmac;

  constructor(secret?: unknown) {
    this.#hash = secret === undefined ? createHash("sha256") : createHmac("sha256", toBytes(secret));
  }

  update(data: unknown): void {
    this.#hash.update(toBytes(data));
  }

  digest(): Promise<Uint8Array> {
    return Promise.resolve(this.#hash.digest());
  }
}

function toBytes(data: unknown): Uint8Array {
  if (typeof data === "string") return Buffer.from(data);
  if (data instanceof Uint8Array) return data;
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  throw new Error("only text and bytes are hashed");
}
