// One part of a message to one `Part` of the API (ai.google.dev/api/caching#Part), and back with what it was signed with.
import type { Media, Part, ReasoningPart, ToolCall, ToolResult } from "../../contract.ts";
import { asObject, JsonError, parseJson } from "../../wire/json.ts";
import { parseDataUrl, toBase64 } from "../data-url.ts";
import { type JsonOutObject, RawJson } from "../json-writer.ts";
import { providerOptionsOf } from "../provider-options.ts";
import type { TranslationLog } from "../translation-log.ts";
import { codeExecutionName } from "./wire.ts";

export type PartContext = {
  /** Names under which options and state of this provider stand. */
  readonly aliases: readonly string[];
  /** Tool calls of the conversation by id: a result repeats the name, and the id where the API gave one. */
  readonly calls: ReadonlyMap<string, { readonly name: string; readonly providerId: string }>;
  readonly log: TranslationLog;
};

export type PartJson = JsonOutObject | RawJson;

/** `undefined` when nothing is to be sent, of which the log then speaks. */
export function toPartJson(part: Part, field: string, context: PartContext): PartJson | undefined {
  const json = toBareJson(part, field, context);
  if (part.cacheBreakpoint !== undefined) {
    context.log.dropped(`${field}.cache_breakpoint`, "Gemini finds cached prefixes by itself");
  }
  if (json === undefined || json instanceof RawJson) return json;
  return {
    ...json,
    thoughtSignature: signatureOf(part, context),
    ...providerOptionsOf(part.providerOptions, context.aliases),
  };
}

function toBareJson(part: Part, field: string, context: PartContext): PartJson | undefined {
  const { content } = part;
  switch (content.case) {
    case "text":
      noteForeignState(part, field, context);
      // An empty text may carry a signature; without one it says nothing.
      return content.value.text === "" && !isOwn(part, context) ? undefined : { text: content.value.text };
    case "refusal":
      return content.value.text === "" ? undefined : { text: content.value.text };
    case "reasoning":
      return toThought(part, content.value, field, context);
    case "toolCall":
      return toCall(part, content.value, field, context);
    case "toolResult":
      return toResult(content.value, field, context);
    case "image":
    case "audio":
    case "video":
    case "document":
      return toMediaJson(content.value, `${field}.${content.case}`, context);
    case "provider":
      return toProviderJson(content.value, field, context);
    case undefined:
      context.log.dropped(field, "the part has no content that this gateway knows");
      return undefined;
    default:
      return content satisfies never;
  }
}

/** Thoughts of another model mean nothing to this one. */
function toThought(part: Part, reasoning: ReasoningPart, field: string, context: PartContext): PartJson | undefined {
  if (part.state !== undefined && !isOwn(part, context)) {
    context.log.stateDropped(field, part.state.provider);
    return undefined;
  }
  return { text: reasoning.text, thought: true };
}

function toCall(part: Part, call: ToolCall, field: string, context: PartContext): PartJson | undefined {
  if (call.providerExecuted) return toExecuted(part, call, field, context);
  noteForeignState(part, field, context);
  const id = isOwn(part, context) ? part.state?.itemId || undefined : undefined;
  return { functionCall: { id, name: call.name, args: toArguments(call, field, context) } };
}

/** A call of a tool that Google ran: its arguments are the part's own content. */
function toExecuted(part: Part, call: ToolCall, field: string, context: PartContext): PartJson | undefined {
  if (!isOwn(part, context) || !isObjectJson(call.argumentsJson)) {
    context.log.stateDropped(field, part.state?.provider ?? "another provider");
    return undefined;
  }
  const content = new RawJson(call.argumentsJson);
  return call.name === codeExecutionName ? { executableCode: content } : { toolCall: content };
}

/** The API takes an object only, where the contract has the model's own text, which may be cut off or free. */
function toArguments(call: ToolCall, field: string, context: PartContext): RawJson | JsonOutObject {
  if (call.argumentsJson.trim() === "") return {};
  if (!call.freeForm && isObjectJson(call.argumentsJson)) return new RawJson(call.argumentsJson);
  context.log.adjusted(`${field}.tool_call.arguments_json`, "is no JSON object and was wrapped into one");
  return { input: call.argumentsJson };
}

function toResult(result: ToolResult, field: string, context: PartContext): PartJson | undefined {
  if (result.providerExecuted) return toExecutedResult(result, field, context);
  const call = context.calls.get(result.callId);
  const name = result.name || call?.name;
  if (name === undefined) {
    context.log.unsupported(`${field}.tool_result.name`, "is needed where the conversation lacks the call");
    return undefined;
  }
  const media = result.content.flatMap((part, index) => {
    const at = `${field}.tool_result.content[${index}]`;
    noteUnreadInResult(part, at, context);
    return toResultMedia(part, at, context);
  });
  const response = toResponse(result);
  const parts = media.length > 0 ? media : undefined;
  return { functionResponse: { id: call?.providerId || undefined, name, response, parts } };
}

/** An object is sent as it is; anything else under the key that the API documents ("output", "error"). */
function toResponse(result: ToolResult): RawJson | JsonOutObject {
  const texts = result.content.flatMap((part) => (part.content.case === "text" ? [part.content.value.text] : []));
  const text = texts.join("\n");
  if (result.isError) return { error: text };
  return isObjectJson(text) ? new RawJson(text) : { output: text };
}

/** The texts of a result become one, which leaves no place for what stands beside them. */
function noteUnreadInResult(part: Part, field: string, { aliases, log }: PartContext): void {
  if (part.cacheBreakpoint !== undefined)
    log.dropped(`${field}.cache_breakpoint`, "Gemini finds cached prefixes by itself");
  const hasOptions = Object.keys(providerOptionsOf(part.providerOptions, aliases)).length > 0;
  if (hasOptions) log.dropped(`${field}.provider_options`, "the contents of a tool result are one object");
}

function toResultMedia(part: Part, field: string, context: PartContext): readonly PartJson[] {
  switch (part.content.case) {
    case "text":
      return [];
    case "image":
    case "audio":
    case "video":
    case "document":
      return [toMediaJson(part.content.value, `${field}.${part.content.case}`, context)].filter(
        (json) => json !== undefined,
      );
    default:
      context.log.dropped(field, "only text and media can stand in a tool result");
      return [];
  }
}

function toExecutedResult(result: ToolResult, field: string, context: PartContext): PartJson | undefined {
  const [kept] = result.content;
  if (kept?.content.case === "provider") return toProviderJson(kept.content.value, field, context);
  context.log.stateDropped(field, "another provider");
  return undefined;
}

function toMediaJson(media: Media, field: string, context: PartContext): JsonOutObject | undefined {
  const { source, mediaType } = media;
  if (media.title !== "") context.log.dropped(`${field}.title`, "media have no title");
  if (media.filename !== "") context.log.dropped(`${field}.filename`, "media have no file name");
  if (media.citationsEnabled) context.log.dropped(`${field}.citations_enabled`, "documents cannot be cited");
  const inline = source.case === "uri" ? parseDataUrl(source.value) : undefined;
  if (inline !== undefined) return toInline(inline.mediaType || mediaType, inline.data, field, context);
  if (source.case === "data") return toInline(mediaType, source.value, field, context);
  if (source.case === "uri" || source.case === "fileId") {
    return { fileData: { mimeType: mediaType === "" ? undefined : mediaType, fileUri: source.value } };
  }
  context.log.unsupported(field, "has neither data nor an address");
  return undefined;
}

function toInline(mimeType: string, data: Uint8Array, field: string, context: PartContext): JsonOutObject | undefined {
  if (mimeType !== "") return { inlineData: { mimeType, data: toBase64(data) } };
  context.log.unsupported(`${field}.media_type`, "is needed with data");
  return undefined;
}

function toProviderJson(
  part: { readonly provider: string; readonly payloadJson: string },
  field: string,
  context: PartContext,
): RawJson | undefined {
  if (!context.aliases.includes(part.provider)) context.log.stateDropped(field, part.provider);
  else if (isObjectJson(part.payloadJson)) return new RawJson(part.payloadJson);
  else context.log.unsupported(`${field}.provider.payload_json`, "is no JSON object");
  return undefined;
}

/** The thought signature that came with the part, which has to go back on it ("Thought signatures"). */
function signatureOf(part: Part, context: PartContext): string | undefined {
  if (part.state === undefined || !isOwn(part, context) || part.state.data.length === 0) return undefined;
  return new TextDecoder().decode(part.state.data);
}

function isOwn(part: Part, context: PartContext): boolean {
  return part.state !== undefined && context.aliases.includes(part.state.provider);
}

function noteForeignState(part: Part, field: string, context: PartContext): void {
  if (part.state !== undefined && !isOwn(part, context)) context.log.stateDropped(field, part.state.provider);
}

function isObjectJson(text: string): boolean {
  try {
    return asObject(parseJson(text)) !== undefined;
  } catch (error) {
    if (error instanceof JsonError) return false;
    throw error;
  }
}
