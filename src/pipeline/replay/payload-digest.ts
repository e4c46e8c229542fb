import { hash } from "node:crypto";
import { type DescMessage, type JsonValue, type MessageShape, toJson } from "@bufbuild/protobuf";
import { type CompleteRequest, CompleteRequestSchema } from "../../contract.ts";

/** Equal for equal payloads, whatever the order of their map entries; SHA-256 in hex. */
export function payloadDigest(request: CompleteRequest): string {
  return messageDigest(CompleteRequestSchema, request);
}

/** The same for any request; messages of two types never have one digest. */
export function messageDigest<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): string {
  return hash("sha256", `${schema.typeName}\n${JSON.stringify(sorted(toJson(schema, message)))}`, "hex");
}

function sorted(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  const entries = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, sorted(inner)]));
}
