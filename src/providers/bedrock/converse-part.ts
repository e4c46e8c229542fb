// Parts as they begin.
import { create } from "@bufbuild/protobuf";
import { type OpaqueState, OpaqueStateSchema, type Part, PartSchema } from "../../contract.ts";
import { asString, type JsonRecord } from "../../wire/json.ts";
import { bedrockName } from "./wire.ts";

export function toState(provider: string, data: string): OpaqueState {
  return create(OpaqueStateSchema, { provider, data: new TextEncoder().encode(data) });
}

/**
 * `toolUse` of a start, or of a whole block. Its `type` says whether Bedrock runs the tool; it goes back in the state.
 * `madeId`: for a call that came without an id.
 */
export function toToolCall(block: JsonRecord, madeId: string): Part {
  const type = asString(block["type"]) ?? "tool_use";
  const value = {
    callId: asString(block["toolUseId"]) || madeId,
    name: asString(block["name"]) ?? "",
    providerExecuted: type !== "tool_use",
  };
  const part = create(PartSchema, { content: { case: "toolCall", value } });
  if (value.providerExecuted) part.state = toState(bedrockName, type);
  return part;
}

/** An image without its bytes. */
export function toImage(format: string): Part {
  const source = { case: "data", value: new Uint8Array(0) } as const;
  return create(PartSchema, { content: { case: "image", value: { source, mediaType: `image/${format}` } } });
}

/** A block that the contract has no words for: `value` as JSON text under its own name. */
export function toUnknown(kind: string, value: unknown): Part {
  const content = { provider: bedrockName, kind, payloadJson: JSON.stringify({ [kind]: value }) };
  return create(PartSchema, { content: { case: "provider", value: content } });
}
