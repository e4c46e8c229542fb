// The conversation as Cohere has it: messages of four roles, and documents to ground the answer in beside them.
import { type Media, type Message, type Part, Role, type ToolResult } from "../../contract.ts";
import { asObject } from "../../wire/json.ts";
import { parseOrUndefined } from "../compatible/parse-or-undefined.ts";
import { type JsonOut, type JsonOutObject, RawJson } from "../json-writer.ts";
import { noteUnplacedOptions } from "../note-unplaced-options.ts";
import { providerOptionsOf } from "../provider-options.ts";
import type { TranslationLog } from "../translation-log.ts";
import { toAssistantMessage } from "./assistant-message.ts";
import { type Block, type MessageContext, toContent, toImage, toOwnBlock, toText } from "./content-block.ts";

type Context = MessageContext & {
  /** Documents of all messages, in order; filled here. */
  readonly documents: JsonOutObject[];
  /** Whether any of them may be cited. */
  hasCitable: boolean;
};

/** `messages`, `documents` and `citation_options` of the body. */
export function toPrompt(messages: readonly Message[], aliases: readonly string[], log: TranslationLog): JsonOutObject {
  const context: Context = { aliases, log, documents: [], hasCitable: false };
  const translated = messages.flatMap((message, index) => toMessages(message, `messages[${index}]`, context));
  const { documents, hasCitable } = context;
  return {
    messages: translated,
    documents: documents.length > 0 ? documents : undefined,
    // Citing is the default with documents, and takes time.
    citation_options: documents.length > 0 && !hasCitable ? { mode: "OFF" } : undefined,
  };
}

function toMessages(message: Message, field: string, context: Context): readonly JsonOutObject[] {
  if (message.name !== "") context.log.dropped(`${field}.name`, "messages have no name");
  switch (message.role) {
    case Role.SYSTEM:
    case Role.USER: {
      const role = message.role === Role.SYSTEM ? "system" : "user";
      const blocks = message.parts
        .map((part, index) => toBlock(part, `${field}.parts[${index}]`, context))
        .filter((block) => block !== undefined);
      // All of it was documents.
      if (blocks.length === 0 && message.parts.length > 0) return [];
      return [{ role, content: toContent(blocks) }];
    }
    case Role.ASSISTANT:
      return [toAssistantMessage(message.parts, `${field}.parts`, context)];
    case Role.TOOL:
      return message.parts.flatMap((part, index) => toToolMessage(part, `${field}.parts[${index}]`, context));
    default:
      context.log.unsupported(`${field}.role`, "this role is not known");
      return [];
  }
}

function toBlock(part: Part, field: string, context: Context): Block | undefined {
  return withOptions(toBareBlock(part, field, context), part, context);
}

function withOptions(block: Block | undefined, part: Part, { aliases }: Context): Block | undefined {
  if (block === undefined || block instanceof RawJson) return block;
  return { ...block, ...providerOptionsOf(part.providerOptions, aliases) };
}

function toBareBlock(part: Part, field: string, context: Context): Block | undefined {
  const { content } = part;
  const { log } = context;
  switch (content.case) {
    case "text":
      return { type: "text", text: content.value.text };
    case "image":
      return toImage(content.value, `${field}.image`, log);
    case "document":
      addDocument(content.value, `${field}.document`, context);
      return undefined;
    case "provider":
      return toOwnBlock(content.value, `${field}.provider`, context);
    case "audio":
    case "video":
      log.unsupported(`${field}.${content.case}`, `${content.case} is not taken`);
      return undefined;
    case undefined:
      return undefined; // Made by a newer caller: its own contract says that older ones keep quiet.
    default:
      log.unsupported(field, `a ${content.case} part cannot stand in a message of this role`);
      return undefined;
  }
}

/** "Documents": text, with a title; the ids number them, so that citations can name them by position. */
function addDocument(media: Media, field: string, context: Context): void {
  const text = toText(media);
  if (text === undefined) {
    context.log.unsupported(field, "only documents of plain text are taken, as data");
    return;
  }
  const title = media.title !== "" ? media.title : media.filename;
  const data = { title: title === "" ? undefined : title, text };
  context.documents.push({ id: `doc:${context.documents.length}`, data });
  context.hasCitable ||= media.citationsEnabled;
}

function toToolMessage(part: Part, field: string, context: Context): readonly JsonOutObject[] {
  if (part.content.case === undefined) return [];
  if (part.content.case !== "toolResult") {
    context.log.unsupported(field, "a message of role TOOL holds tool results only");
    return [];
  }
  const result = part.content.value;
  noteUnplacedOptions(part, field, context.aliases, context.log);
  if (result.isError) {
    context.log.emulated(
      `${field}.tool_result.is_error`,
      "the provider has no mark for failed tools; the text says it",
    );
  }
  const content = toResultContent(result, `${field}.tool_result.content`, context);
  return [{ role: "tool", tool_call_id: result.callId, content }];
}

/** Text and documents; documents are what the answer then cites. */
function toResultContent(result: ToolResult, field: string, context: Context): JsonOut {
  const blocks = result.content
    .map((part, index) => withOptions(toResultBlock(part, `${field}[${index}]`, context), part, context))
    .filter((block) => block !== undefined);
  return toContent(blocks);
}

function toResultBlock(part: Part, field: string, context: Context): Block | undefined {
  const { content } = part;
  switch (content.case) {
    case "text":
      return { type: "text", text: content.value.text };
    case "document": {
      const text = toText(content.value);
      if (text !== undefined) return { type: "document", document: toResultDocument(content.value, text) };
      context.log.unsupported(`${field}.document`, "only documents of plain text are taken, as data");
      return undefined;
    }
    case "provider":
      return toOwnBlock(content.value, `${field}.provider`, context);
    case undefined:
      return undefined;
    default:
      context.log.unsupported(`${field}.${content.case}`, "tool results are text and documents");
      return undefined;
  }
}

/** What is a JSON object stays one, so that its members can be cited ("Tool use", "Tool results"). */
function toResultDocument(media: Media, text: string): JsonOutObject {
  const title = media.title !== "" ? media.title : media.filename;
  const isObject = media.mediaType.startsWith("application/json") && asObject(parseOrUndefined(text)) !== undefined;
  return { data: isObject ? new RawJson(text) : { title: title === "" ? undefined : title, text } };
}
