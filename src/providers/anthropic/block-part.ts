// A content block to the part that stands for it. Blocks that grow come with what they have at their start.
import { create } from "@bufbuild/protobuf";
import { type OpaqueState, OpaqueStateSchema, type Part, PartSchema, ReasoningKind } from "../../contract.ts";
import { asObject, asString, type JsonRecord } from "../../wire/json.ts";
import { toSavedBlock } from "./saved-block.ts";
import { outputToolName, stateProvider } from "./wire.ts";

/** What kind of growth a block takes. `whole` blocks are handed out when they end, since unknown deltas may still come. */
export type BlockKind = "text" | "thinking" | "tool-call" | "output" | "whole";

export function blockKindOf(block: JsonRecord): BlockKind {
  if (block["name"] === outputToolName) return "output";
  const type = asString(block["type"]) ?? "";
  if (isToolUse(type) && asString(block["id"]) && asString(block["name"])) return "tool-call";
  if (type === "text" || type === "thinking") return type;
  return "whole";
}

/** "tool_use", "server_tool_use", "mcp_tool_use" and what may come of that name. */
function isToolUse(type: string): boolean {
  return type === "tool_use" || type.endsWith("_tool_use");
}

export function toState(data: string): OpaqueState {
  return create(OpaqueStateSchema, { provider: stateProvider, data: new TextEncoder().encode(data) });
}

/** `model` tells whether thinking is shown in full or as a summary. */
export function toPart(block: JsonRecord, kind: BlockKind, model: string): Part {
  switch (kind) {
    case "text":
    case "output":
      return create(PartSchema, { content: { case: "text", value: { text: asString(block["text"]) ?? "" } } });
    case "thinking":
      return toReasoning(asString(block["thinking"]) ?? "", reasoningKindOf(model));
    case "tool-call":
      return toToolCall(block);
    case "whole":
      return toWholePart(block);
    default:
      return kind satisfies never;
  }
}

/** Up to Claude 3.7 the thinking itself is shown, since then a summary ("Extended thinking", "Summarized thinking"). */
function reasoningKindOf(model: string): ReasoningKind {
  if (/claude-3[-.]7/.test(model)) return ReasoningKind.FULL;
  return model.includes("claude") ? ReasoningKind.SUMMARY : ReasoningKind.UNSPECIFIED;
}

function toReasoning(text: string, kind: ReasoningKind): Part {
  return create(PartSchema, { content: { case: "reasoning", value: { text, kind } } });
}

/** The arguments come after it: as deltas, or at the block's end when it brought them whole. */
function toToolCall(block: JsonRecord): Part {
  const saved = toSavedBlock(block);
  const value = {
    callId: asString(block["id"]) ?? "",
    name: asString(block["name"]) ?? "",
    providerExecuted: block["type"] !== "tool_use",
  };
  const part = create(PartSchema, { content: { case: "toolCall", value } });
  if (saved !== "") part.state = toState(saved);
  return part;
}

function toWholePart(block: JsonRecord): Part {
  if (block["type"] === "redacted_thinking") {
    const part = toReasoning("", ReasoningKind.REDACTED);
    part.state = toState(asString(block["data"]) ?? "");
    return part;
  }
  const kept = toProviderPart(block);
  const callId = asString(block["tool_use_id"]);
  if (callId === undefined) return kept;
  const value = { callId, content: [kept], isError: isFailed(block), providerExecuted: true };
  return create(PartSchema, { content: { case: "toolResult", value } });
}

/** A kind that the contract does not model: kept as JSON text, to go back as it came. */
function toProviderPart(block: JsonRecord): Part {
  const value = {
    provider: stateProvider,
    kind: asString(block["type"]) ?? "unknown",
    payloadJson: JSON.stringify(block),
  };
  return create(PartSchema, { content: { case: "provider", value } });
}

/** `is_error` of MCP results; content of type "…_error" of the others. */
function isFailed(block: JsonRecord): boolean {
  if (block["is_error"] === true) return true;
  return (asString(asObject(block["content"])?.["type"]) ?? "").endsWith("_error");
}
