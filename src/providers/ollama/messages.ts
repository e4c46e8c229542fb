// The conversation as Ollama has it: one text a message, images beside it, and the thinking and calls of earlier answers.
import {
  type Media,
  MediaDetail,
  type Message,
  type Part,
  Role,
  type ToolCall,
  type ToolResult,
} from "../../contract.ts";
import { asObject } from "../../wire/json.ts";
import { parseOrUndefined } from "../compatible/parse-or-undefined.ts";
import { parseDataUrl, toBase64 } from "../data-url.ts";
import { fieldOfContent } from "../field-of-content.ts";
import { type JsonOutObject, RawJson } from "../json-writer.ts";
import { noteNoFilename } from "../note-absent.ts";
import { noteUnplacedOptions } from "../note-unplaced-options.ts";
import { providerOptionsOf } from "../provider-options.ts";
import type { TranslationLog } from "../translation-log.ts";

/** What the translation of messages needs beside them. */
export type MessageContext = {
  /** Names under which state of this provider stands. */
  readonly aliases: readonly string[];
  readonly log: TranslationLog;
};

type Context = MessageContext & {
  /** Names of the tools by the id of their call: a result has to say it. */
  readonly toolNames: ReadonlyMap<string, string>;
};

export function toMessages(messages: readonly Message[], context: MessageContext): readonly JsonOutObject[] {
  const all = { ...context, toolNames: toToolNames(messages) };
  return messages.flatMap((message, index) => toTurn(message, `messages[${index}]`, all));
}

function toToolNames(messages: readonly Message[]): ReadonlyMap<string, string> {
  const calls = messages.flatMap(({ parts }) =>
    parts.flatMap(({ content }) => (content.case === "toolCall" ? [content.value] : [])),
  );
  return new Map(calls.map(({ callId, name }) => [callId, name]));
}

function toTurn(message: Message, field: string, context: Context): readonly JsonOutObject[] {
  if (message.name !== "") context.log.dropped(`${field}.name`, "messages have no name");
  switch (message.role) {
    case Role.SYSTEM:
      return [toMessage("system", message.parts, `${field}.parts`, context)];
    case Role.USER:
      return [toMessage("user", message.parts, `${field}.parts`, context)];
    case Role.ASSISTANT:
      return [toMessage("assistant", message.parts, `${field}.parts`, context)];
    case Role.TOOL:
      return message.parts.flatMap((part, index) => toToolMessage(part, `${field}.parts[${index}]`, context));
    default:
      context.log.unsupported(`${field}.role`, "this role is not known");
      return [];
  }
}

/** Where the parts of a message go. */
type Places = {
  text: string;
  thinking: string;
  readonly images: string[];
  readonly calls: JsonOutObject[];
  /** The caller's own members of the message. */
  own: JsonOutObject;
};

function toMessage(role: string, parts: readonly Part[], field: string, context: Context): JsonOutObject {
  const places: Places = { text: "", thinking: "", images: [], calls: [], own: {} };
  for (const [index, part] of parts.entries()) place(part, `${field}[${index}]`, places, context);
  const { text, thinking, images, calls, own } = places;
  return {
    role,
    content: text,
    thinking: thinking === "" ? undefined : thinking,
    images: images.length > 0 ? images : undefined,
    tool_calls: calls.length > 0 ? calls : undefined,
    ...own,
  };
}

function place(part: Part, field: string, places: Places, context: Context): void {
  const { content } = part;
  const { log } = context;
  places.own = { ...places.own, ...providerOptionsOf(part.providerOptions, context.aliases) };
  switch (content.case) {
    case "text":
    case "refusal":
      places.text += content.value.text;
      return;
    case "image":
      places.images.push(...toImage(content.value, `${field}.image`, log));
      return;
    case "document":
      places.text += toText(content.value, `${field}.document`, log);
      return;
    case "reasoning":
      if (isForeign(part, context)) log.stateDropped(`${field}.state`, part.state?.provider ?? "");
      else places.thinking += content.value.text;
      return;
    case "toolCall":
      places.calls.push(...toCall(content.value, `${field}.tool_call`, log));
      return;
    case "provider":
      log.dropped(`${field}.provider`, `content of ${content.value.provider} has no place in a message`);
      return;
    case "toolResult":
      placeResult(content.value, `${field}.tool_result`, log);
      return;
    case "audio":
    case "video":
      log.unsupported(fieldOfContent(field, content), "the provider does not take this in a message of this role");
      return;
    case undefined:
      return; // Made by a newer caller: its own contract says that older ones keep quiet.
    default:
      content satisfies never;
  }
}

/** Results of the caller's own tools have a message of their own. */
function placeResult({ providerExecuted }: ToolResult, field: string, log: TranslationLog): void {
  if (providerExecuted) log.dropped(field, "the provider takes back no results of tools that a provider ran");
  else log.unsupported(field, "tool results belong into a message of role TOOL");
}

function isForeign({ state }: Part, { aliases }: Context): boolean {
  return state !== undefined && !aliases.includes(state.provider);
}

/** Base64 without a media type. The server fetches nothing. */
function toImage(media: Media, field: string, log: TranslationLog): readonly string[] {
  const { source } = media;
  noteNoFilename(media, field, log);
  if (media.detail !== MediaDetail.UNSPECIFIED) log.dropped(`${field}.detail`, "the level of detail cannot be chosen");
  const data = source.case === "uri" ? parseDataUrl(source.value)?.data : undefined;
  if (source.case === "data") return [toBase64(source.value)];
  if (data !== undefined) return [toBase64(data)];
  log.unsupported(field, "the provider takes images as data only");
  return [];
}

/** A document that is text can be read out to any model. */
function toText(media: Media, field: string, log: TranslationLog): string {
  const isText = /^(?:text\/|application\/(?:json|xml|yaml))/.test(media.mediaType);
  if (media.source.case !== "data" || !isText) {
    log.unsupported(field, "the provider does not take documents");
    return "";
  }
  log.emulated(field, "the provider takes no documents; this one was put into the message as text");
  const name = (media.title || media.filename || "document").replaceAll('"', "'");
  return `<document name="${name}">\n${new TextDecoder().decode(media.source.value)}\n</document>\n`;
}

function toCall(call: ToolCall, field: string, log: TranslationLog): readonly JsonOutObject[] {
  if (call.providerExecuted) {
    log.dropped(field, "the provider takes back no calls of tools that a provider ran");
    return [];
  }
  return [{ id: call.callId, function: { name: call.name, arguments: toArguments(call, field, log) } }];
}

/** The API takes an object only, where the contract has the model's own text, which may be cut off. */
function toArguments({ argumentsJson }: ToolCall, field: string, log: TranslationLog): RawJson | JsonOutObject {
  if (argumentsJson.trim() === "") return {};
  if (asObject(parseOrUndefined(argumentsJson)) !== undefined) return new RawJson(argumentsJson);
  log.adjusted(`${field}.arguments_json`, "is no JSON object and was wrapped into one");
  return { input: argumentsJson };
}

function toToolMessage(part: Part, field: string, context: Context): readonly JsonOutObject[] {
  if (part.content.case === undefined) return [];
  if (part.content.case !== "toolResult") {
    context.log.unsupported(field, "a message of role TOOL holds tool results only");
    return [];
  }
  noteUnplacedOptions(part, field, context.aliases, context.log);
  return [toResult(part.content.value, `${field}.tool_result`, context)];
}

function toResult(result: ToolResult, field: string, context: Context): JsonOutObject {
  if (result.isError) {
    context.log.emulated(`${field}.is_error`, "the provider has no mark for failed tools; the text says it");
  }
  const name = result.name || context.toolNames.get(result.callId);
  return {
    ...toMessage("tool", result.content, `${field}.content`, context),
    tool_name: name,
    tool_call_id: result.callId,
  };
}
