// One part of a message to one content block ("ContentBlock").

import type { ToolResult } from "../../contract.ts";
import { type CompleteRequest, type Part, ReasoningKind, type ReasoningPart, type ToolCall } from "../../contract.ts";
import { asObject } from "../../wire/json.ts";
import { parseOrUndefined } from "../compatible/parse-or-undefined.ts";
import { toBase64 } from "../data-url.ts";
import { type JsonOutObject, RawJson } from "../json-writer.ts";
import { providerOptionsOf } from "../provider-options.ts";
import { toCachePoint } from "./cache-point.ts";
import { type MediaContext, toMediaBlock } from "./media-block.ts";
import type { Block } from "./wire.ts";

/** What the translation of parts needs beside the part. */
export type PartContext = MediaContext & {
  readonly request: CompleteRequest;
  /** Names under which options and state of this provider stand. */
  readonly aliases: readonly string[];
};

/** The block, and the cache point after it; nothing for an empty text, or for what the log then speaks of. */
export function toContentBlocks(part: Part, field: string, context: PartContext): readonly Block[] {
  const block = toBareBlock(part, field, context);
  const point = toCachePoint(part.cacheBreakpoint, `${field}.cache_breakpoint`, context.request, context.log);
  if (block === undefined) return point;
  return [withOptions(block, part, context), ...point];
}

/** A block has one member, which holds the others: the caller's own go there too. */
function withOptions(block: Block, part: Part, { aliases }: PartContext): Block {
  const options = providerOptionsOf(part.providerOptions, aliases);
  if (block instanceof RawJson || Object.keys(options).length === 0) return block;
  const [kind = "", value] = Object.entries(block)[0] ?? [];
  const isOpen = typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof RawJson);
  return isOpen ? { [kind]: { ...value, ...options } } : { ...block, ...options };
}

function toBareBlock(part: Part, field: string, context: PartContext): Block | undefined {
  const { content } = part;
  switch (content.case) {
    case "text":
      return toText(part, content.value.text, context);
    case "refusal":
      return isBlank(content.value.text) ? undefined : { text: content.value.text };
    case "reasoning":
      return toReasoning(part, content.value, field, context);
    case "toolCall":
      return toToolUse(part, content.value, field, context);
    case "toolResult":
      return toToolResult(content.value, `${field}.tool_result`, context);
    case "image":
    case "document":
    case "video":
    case "audio":
      return toMediaBlock(content.case, content.value, `${field}.${content.case}`, context);
    case "provider":
      return toOwn(content.value, field, context);
    case undefined:
      return undefined; // Made by a newer caller: its own contract says that older ones keep quiet.
    default:
      return content satisfies never;
  }
}

/** "The text field in the ContentBlock object is blank": the API refuses such, and they say nothing. */
function isBlank(text: string): boolean {
  return text.trim() === "";
}

/** Cited text goes back with its citations, as it came ("CitationsContentBlock"). */
function toText(part: Part, text: string, context: PartContext): Block | undefined {
  const citations = isOwn(part, context) ? decode(part) : "";
  const isKept = citations !== "" && Array.isArray(parseOrUndefined(citations));
  if (isKept) {
    const content = isBlank(text) ? undefined : [{ text }];
    return { citationsContent: { content, citations: new RawJson(citations) } };
  }
  return isBlank(text) ? undefined : { text };
}

/** Reasoning without its signature is refused by the models that sign it; another provider's means nothing. */
function toReasoning(
  part: Part,
  { kind, text }: ReasoningPart,
  field: string,
  context: PartContext,
): Block | undefined {
  const { state } = part;
  if (state === undefined || !isOwn(part, context)) {
    context.log.stateDropped(field, state?.provider ?? "no provider");
    return undefined;
  }
  if (kind === ReasoningKind.REDACTED) return { reasoningContent: { redactedContent: toBase64(state.data) } };
  const signature = decode(part);
  return { reasoningContent: { reasoningText: { text, signature: signature === "" ? undefined : signature } } };
}

function toToolUse(part: Part, call: ToolCall, field: string, context: PartContext): Block | undefined {
  if (call.providerExecuted && !isOwn(part, context)) {
    context.log.stateDropped(field, part.state?.provider ?? "another provider");
    return undefined;
  }
  const input = toInput(call, field, context);
  const type = call.providerExecuted ? decode(part) : "";
  return { toolUse: { toolUseId: call.callId, name: call.name, input, type: type === "" ? undefined : type } };
}

/** The API takes an object only, where the contract has the model's own text, which may be cut off or free. */
function toInput(call: ToolCall, field: string, { log }: PartContext): RawJson | JsonOutObject {
  const text = call.argumentsJson.trim();
  if (text === "") return {};
  if (!call.freeForm && asObject(parseOrUndefined(text)) !== undefined) return new RawJson(text);
  log.adjusted(`${field}.tool_call.arguments_json`, "is no JSON object and was wrapped into one");
  return { input: call.argumentsJson };
}

function toToolResult(result: ToolResult, field: string, context: PartContext): Block | undefined {
  const [first] = result.content;
  if (result.providerExecuted) {
    if (first?.content.case === "provider") return toOwn(first.content.value, field, context);
    context.log.stateDropped(field, "another provider");
    return undefined;
  }
  const content = result.content.flatMap((part, index) => toContentBlocks(part, `${field}.content[${index}]`, context));
  return { toolResult: { toolUseId: result.callId, content, status: result.isError ? "error" : undefined } };
}

function toOwn(
  { provider, payloadJson }: { readonly provider: string; readonly payloadJson: string },
  field: string,
  { aliases, log }: PartContext,
): Block | undefined {
  if (!aliases.includes(provider)) {
    log.stateDropped(field, provider);
    return undefined;
  }
  if (asObject(parseOrUndefined(payloadJson)) !== undefined) return new RawJson(payloadJson);
  log.unsupported(`${field}.provider.payload_json`, "is no JSON object");
  return undefined;
}

function isOwn({ state }: Part, { aliases }: PartContext): boolean {
  return state !== undefined && aliases.includes(state.provider);
}

function decode({ state }: Part): string {
  return state === undefined ? "" : new TextDecoder().decode(state.data);
}
