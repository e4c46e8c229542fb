// One part of a message to one content block, in the places where the Messages API has it.
import type { CompleteRequest, Part, ReasoningPart, ToolCall, ToolResult } from "../../contract.ts";
import { ReasoningKind } from "../../contract.ts";
import { asObject, JsonError, parseJson } from "../../wire/json.ts";
import { type JsonOutObject, RawJson } from "../json-writer.ts";
import { providerOptionsOf } from "../provider-options.ts";
import { canCarry, toCacheControl } from "./cache-control.ts";
import { type MediaContext, toDocumentBlock, toImageBlock } from "./media-block.ts";
import { readSavedBlock } from "./saved-block.ts";
import { type Block, stateProvider } from "./wire.ts";

/** What the translation of parts needs beside the part. */
export type PartContext = MediaContext & {
  readonly request: CompleteRequest;
  /** Names under which options and state of this provider stand. */
  readonly aliases: readonly string[];
};

/** `undefined` when nothing is to be sent: an empty text, or what the log then speaks of. */
export function toContentBlock(part: Part, field: string, context: PartContext): Block | undefined {
  const block = toBareBlock(part, field, context);
  if (block === undefined) return undefined;
  const control = toCacheControl(part.cacheBreakpoint, `${field}.cache_breakpoint`, context.request, context.log);
  const options = providerOptionsOf(part.providerOptions, context.aliases);
  if (block instanceof RawJson) {
    if (control !== undefined) context.log.dropped(`${field}.cache_breakpoint`, "a provider part is sent as it is");
    return block;
  }
  if (control === undefined || canCarry(block)) return { ...block, cache_control: control, ...options };
  context.log.dropped(`${field}.cache_breakpoint`, "reasoning cannot end a cached prefix");
  return { ...block, ...options };
}

function toBareBlock(part: Part, field: string, context: PartContext): Block | undefined {
  const { content } = part;
  switch (content.case) {
    case "text":
      return isBlank(content.value.text) ? undefined : toTextBlock(part, content.value.text, context);
    case "refusal":
      return isBlank(content.value.text) ? undefined : { type: "text", text: content.value.text };
    case "reasoning":
      return toThinkingBlock(part, content.value, field, context);
    case "toolCall":
      return toToolUseBlock(part, content.value, field, context);
    case "toolResult":
      return toToolResultBlock(content.value, `${field}.tool_result`, context);
    case "image":
      return toImageBlock(content.value, `${field}.image`, context);
    case "document":
      return toDocumentBlock(content.value, `${field}.document`, context);
    case "provider":
      return toProviderBlock(content.value, field, context);
    case "audio":
    case "video":
      context.log.unsupported(`${field}.${content.case}`, `${content.case} is not taken`);
      return undefined;
    case undefined:
      context.log.dropped(field, "the part has no content that this gateway knows");
      return undefined;
    default:
      return content satisfies never;
  }
}

/** The API refuses text blocks without any letter; they say nothing. */
function isBlank(text: string): boolean {
  return text.trim() === "";
}

/** Citations go back as they came, since those of web search carry an encrypted index (web search tool, "Citations"). */
function toTextBlock(part: Part, text: string, context: PartContext): Block {
  const citations = isOwn(part, context) ? decode(part) : "";
  return { type: "text", text, citations: citations === "" ? undefined : new RawJson(citations) };
}

/** Thinking without its signature is refused by the API; so is another provider's. */
function toThinkingBlock(part: Part, reasoning: ReasoningPart, field: string, context: PartContext): Block | undefined {
  if (part.state === undefined || !isOwn(part, context)) {
    context.log.stateDropped(field, part.state?.provider ?? "no provider");
    return undefined;
  }
  const data = decode(part);
  if (reasoning.kind === ReasoningKind.REDACTED) return { type: "redacted_thinking", data };
  return { type: "thinking", thinking: reasoning.text, signature: data };
}

function toToolUseBlock(part: Part, call: ToolCall, field: string, context: PartContext): Block | undefined {
  const isForeign = call.providerExecuted && !isOwn(part, context);
  if (isForeign) {
    context.log.stateDropped(field, part.state?.provider ?? "another provider");
    return undefined;
  }
  const saved = isOwn(part, context) ? readSavedBlock(decode(part)) : {};
  return { type: "tool_use", id: call.callId, name: call.name, input: toInput(call, field, context), ...saved };
}

/** The API takes an object only, where the contract has the model's own text, which may be cut off or free. */
function toInput(call: ToolCall, field: string, context: PartContext): RawJson | JsonOutObject {
  const text = call.argumentsJson.trim();
  if (text === "") return {};
  if (!call.freeForm && isObjectJson(text)) return new RawJson(text);
  context.log.adjusted(`${field}.tool_call.arguments_json`, "is no JSON object and was wrapped into one");
  return { input: call.argumentsJson };
}

function toToolResultBlock(result: ToolResult, field: string, context: PartContext): Block | undefined {
  if (result.providerExecuted) return toServerResult(result, field, context);
  const content = result.content.flatMap((part, index) => {
    const block = toContentBlock(part, `${field}.content[${index}]`, context);
    return block === undefined ? [] : [block];
  });
  return {
    type: "tool_result",
    tool_use_id: result.callId,
    content: content.length > 0 ? content : undefined,
    is_error: result.isError ? true : undefined,
  };
}

/** The reader kept the whole block of a tool that the provider ran: one provider part. */
function toServerResult(result: ToolResult, field: string, context: PartContext): Block | undefined {
  const [kept] = result.content;
  if (kept?.content.case === "provider") return toProviderBlock(kept.content.value, field, context);
  context.log.stateDropped(field, "another provider");
  return undefined;
}

function toProviderBlock(
  part: { readonly provider: string; readonly payloadJson: string },
  field: string,
  context: PartContext,
): Block | undefined {
  if (!isOwnName(part.provider, context)) {
    context.log.stateDropped(field, part.provider);
    return undefined;
  }
  if (isObjectJson(part.payloadJson)) return new RawJson(part.payloadJson);
  context.log.unsupported(`${field}.provider.payload_json`, "is no JSON object");
  return undefined;
}

function isOwn(part: Part, context: PartContext): boolean {
  return part.state !== undefined && isOwnName(part.state.provider, context);
}

function isOwnName(name: string, context: PartContext): boolean {
  return name === stateProvider || context.aliases.includes(name);
}

function decode(part: Part): string {
  return part.state === undefined ? "" : new TextDecoder().decode(part.state.data);
}

function isObjectJson(text: string): boolean {
  try {
    return asObject(parseJson(text)) !== undefined;
  } catch (error) {
    if (error instanceof JsonError) return false;
    throw error;
  }
}
