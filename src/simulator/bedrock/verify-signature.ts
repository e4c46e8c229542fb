// AWS Signature Version 4, from the server's side (AWS documentation, "Create a signed AWS API request").
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import type { SignedRequest, WireFault } from "../wire.ts";

/** The one account of the simulator. */
export const simulatedAwsKeys = {
  accessKeyId: "AKIDSIMULATOR",
  secretAccessKey: "simulated-secret-access-key",
} as const;

const authorizationPattern =
  /^AWS4-HMAC-SHA256 Credential=([^/,\s]+)\/(\d{8})\/([^/,\s]+)\/([^/,\s]+)\/aws4_request, ?SignedHeaders=([^,\s]+), ?Signature=([0-9a-f]{64})$/;

/** A bearer key of Bedrock is taken as it is. `undefined`: in order. */
export function verifySignature(request: SignedRequest): WireFault | undefined {
  const authorization = headerOf(request, "authorization");
  if (authorization.startsWith("Bearer ")) return undefined;
  const [, accessKeyId, day = "", region = "", service = "", names = "", signature = ""] =
    authorizationPattern.exec(authorization) ?? [];
  if (accessKeyId === undefined) return { status: 403, message: "Missing Authentication Token" };
  if (accessKeyId !== simulatedAwsKeys.accessKeyId) {
    return { status: 403, message: "The security token included in the request is invalid." };
  }
  const time = headerOf(request, "x-amz-date");
  const scope = `${day}/${region}/${service}/aws4_request`;
  const toSign = ["AWS4-HMAC-SHA256", time, scope, sha256(canonicalRequest(request, names.split(";")))].join("\n");
  const key = ["aws4_request", service, region, day].reduceRight(
    (secret: string | Buffer, part) => createHmac("sha256", secret).update(part).digest(),
    `AWS4${simulatedAwsKeys.secretAccessKey}`,
  );
  const expected = createHmac("sha256", key).update(toSign).digest();
  if (time.startsWith(day) && timingSafeEqual(expected, Buffer.from(signature, "hex"))) return undefined;
  return {
    status: 403,
    message:
      "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.",
  };
}

/** Every service but S3 encodes the path a second time, and Bedrock's model ids have a colon in it. */
function canonicalRequest(request: SignedRequest, signedHeaders: readonly string[]): string {
  const [path = "/", query = ""] = request.url.split("?");
  return [
    request.method,
    path.split("/").map(encode).join("/"),
    query.split("&").filter(Boolean).sort().join("&"),
    ...signedHeaders.map((name) => `${name}:${headerOf(request, name).trim().replace(/ +/g, " ")}`),
    "",
    signedHeaders.join(";"),
    sha256(request.body),
  ].join("\n");
}

/** RFC 3986: also the characters that `encodeURIComponent` leaves. */
function encode(segment: string): string {
  return encodeURIComponent(segment).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function headerOf({ headers }: SignedRequest, name: string): string {
  const value = headers[name];
  return typeof value === "string" ? value : (value?.join(",") ?? "");
}

function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}
