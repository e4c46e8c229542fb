// The conversation as input items. Unlike chat messages, items keep the order of an answer's parts and take back the ids and
// the ciphertext of the items that they came from.
import {
  type Media,
  MediaDetail,
  type Message,
  type OpaqueState,
  type Part,
  ReasoningKind,
  Role,
  type ToolCall,
  type ToolResult,
} from "../../../contract.ts";
import { asObject } from "../../../wire/json.ts";
import { toBase64, toDataUrl } from "../../data-url.ts";
import { fieldOfContent } from "../../field-of-content.ts";
import { type JsonOut, type JsonOutObject, RawJson } from "../../json-writer.ts";
import { noteNoFilename } from "../../note-absent.ts";
import { noteUnplacedOptions } from "../../note-unplaced-options.ts";
import { providerOptionsOf } from "../../provider-options.ts";
import type { TranslationLog } from "../../translation-log.ts";
import { parseExactOrUndefined } from "../parse-or-undefined.ts";
import { toRawJson } from "../request-messages.ts";

export type InputContext = {
  readonly systemRole: "system" | "developer";
  readonly aliases: readonly string[];
  /** Reasoning without ciphertext is refused, since nothing is stored (OpenAI, Azure). */
  readonly needsCiphertext: boolean;
  readonly log: TranslationLog;
};

/** Input items for the whole conversation. */
export function toInputItems(messages: readonly Message[], context: InputContext): readonly JsonOut[] {
  const freeFormCalls = freeFormCallIds(messages);
  return messages.flatMap((message, position): readonly JsonOut[] => {
    const field = `messages[${position}]`;
    if (message.name !== "") context.log.dropped(`${field}.name`, "the provider has no names of participants");
    switch (message.role) {
      case Role.SYSTEM:
        return [{ role: context.systemRole, content: toContent(message.parts, field, context) }];
      case Role.USER:
        return [{ role: "user", content: toContent(message.parts, field, context) }];
      case Role.ASSISTANT:
        return toOutputItems(message.parts, field, context);
      case Role.TOOL:
        return toResults(message.parts, field, freeFormCalls, context);
      default:
        context.log.unsupported(`${field}.role`, "this role is not known");
        return [];
    }
  });
}

function freeFormCallIds(messages: readonly Message[]): ReadonlySet<string> {
  const ids = new Set<string>();
  for (const { content } of messages.flatMap((message) => message.parts)) {
    if (content.case === "toolCall" && content.value.freeForm) ids.add(content.value.callId);
  }
  return ids;
}

/** Text alone where that is all; else a list. */
function toContent(parts: readonly Part[], field: string, context: InputContext): JsonOut {
  const only = parts.length === 1 ? parts[0] : undefined;
  const hasOptions =
    only !== undefined && Object.keys(providerOptionsOf(only.providerOptions, context.aliases)).length > 0;
  if (only?.content.case === "text" && !hasOptions) return only.content.value.text;
  return parts
    .map((part, position) => toInputPart(part, `${field}.parts[${position}]`, context))
    .filter((part) => part !== undefined);
}

function toInputPart(part: Part, field: string, context: InputContext): JsonOutObject | RawJson | undefined {
  const { content } = part;
  const options = providerOptionsOf(part.providerOptions, context.aliases);
  switch (content.case) {
    case "text":
      return { type: "input_text", text: content.value.text, ...options };
    case "image":
      return withOptions(toImage(content.value, `${field}.image`, context.log), options);
    case "document":
      return withOptions(toFile(content.value, `${field}.document`, context.log), options);
    case "audio":
    case "video":
      context.log.unsupported(`${field}.${content.case}`, `the provider does not take ${content.case}`);
      return undefined;
    case "provider":
      return toOwnItem(content.value, `${field}.provider`, context);
    case undefined:
      return undefined; // Made by a newer caller.
    default:
      context.log.unsupported(field, `a ${content.case} part cannot stand in a message of this role`);
      return undefined;
  }
}

function withOptions(part: JsonOutObject | undefined, options: JsonOutObject): JsonOutObject | undefined {
  return part === undefined ? undefined : { ...part, ...options };
}

function toImage(media: Media, field: string, log: TranslationLog): JsonOutObject | undefined {
  const { source } = media;
  noteNoFilename(media, field, log);
  const detail = toDetail(media.detail, field, log);
  switch (source.case) {
    case "data":
      return { type: "input_image", image_url: toDataUrl(media.mediaType || "image/png", source.value), detail };
    case "fileId":
      return { type: "input_image", file_id: source.value, detail };
    case "uri":
      if (/^(?:https?|data):/i.test(source.value)) return { type: "input_image", image_url: source.value, detail };
      log.unsupported(`${field}.uri`, "the provider does not take addresses other than https and data");
      return undefined;
    default:
      log.unsupported(field, "media without source");
      return undefined;
  }
}

function toDetail(detail: MediaDetail, field: string, log: TranslationLog): string | undefined {
  if (detail === MediaDetail.LOW) return "low";
  if (detail === MediaDetail.HIGH) return "high";
  if (detail !== MediaDetail.MEDIUM) return undefined;
  log.adjusted(`${field}.detail`, "there is no middle detail; the provider chooses");
  return "auto";
}

function toFile(media: Media, field: string, log: TranslationLog): JsonOutObject | undefined {
  if (media.citationsEnabled)
    log.dropped(`${field}.citations_enabled`, "the provider does not cite documents of the request");
  const filename = media.filename || media.title || undefined;
  const { source } = media;
  switch (source.case) {
    case "data": {
      const file_data = toDataUrl(media.mediaType || "application/pdf", source.value);
      return { type: "input_file", filename: filename ?? "document", file_data };
    }
    case "fileId":
      return { type: "input_file", file_id: source.value };
    case "uri":
      return { type: "input_file", file_url: source.value };
    default:
      log.unsupported(field, "media without source");
      return undefined;
  }
}

/** Parts of one answer; those that came from one item go back as one. */
function toOutputItems(parts: readonly Part[], field: string, context: InputContext): readonly JsonOut[] {
  const items: JsonOut[] = [];
  for (const [position, part] of parts.entries()) {
    noteUnplacedOptions(part, `${field}.parts[${position}]`, context.aliases, context.log);
  }
  for (let position = 0; position < parts.length; ) {
    const run = runOfItem(parts, position, context);
    items.push(...toItem(run, `${field}.parts[${position}]`, context));
    position += run.length;
  }
  return items;
}

/** The parts from `start` on that belong to one message or one reasoning item. */
function runOfItem(parts: readonly Part[], start: number, context: InputContext): readonly Part[] {
  const first = parts[start];
  const family = familyOf(first);
  if (family === undefined) return parts.slice(start, start + 1);
  const id = ownId(first?.state, context);
  let end = start + 1;
  while (end < parts.length && familyOf(parts[end]) === family && ownId(parts[end]?.state, context) === id) end++;
  return parts.slice(start, end);
}

function familyOf(part: Part | undefined): "message" | "reasoning" | undefined {
  if (part?.content.case === "text" || part?.content.case === "refusal") return "message";
  return part?.content.case === "reasoning" ? "reasoning" : undefined;
}

function ownId(state: OpaqueState | undefined, { aliases }: InputContext): string {
  return state !== undefined && aliases.includes(state.provider) ? state.itemId : "";
}

function toItem(run: readonly Part[], field: string, context: InputContext): readonly JsonOut[] {
  const [first] = run;
  if (first === undefined) return [];
  switch (first.content.case) {
    case "text":
    case "refusal":
      return [toMessageItem(run, field, context)];
    case "reasoning":
      return toReasoningItem(run, field, context);
    case "toolCall":
      return toCallItem(first.content.value, first.state, field, context);
    case "image":
      return toImageItem(first.content.value, first.state, field, context);
    case "provider":
      return [toOwnItem(first.content.value, `${field}.provider`, context)].filter((item) => item !== undefined);
    case "toolResult":
      // What a tool of the provider gave stands in the item of its call.
      if (!first.content.value.providerExecuted)
        context.log.unsupported(field, "tool results belong into a message of role TOOL");
      return [];
    case undefined:
      return []; // Made by a newer caller.
    default:
      context.log.dropped(
        fieldOfContent(field, first.content),
        "the provider takes no such content in earlier answers",
      );
      return [];
  }
}

function toMessageItem(run: readonly Part[], field: string, context: InputContext): JsonOutObject {
  const state = ownState(run[0]?.state, field, context);
  const content = run.map(({ content: one }) =>
    one.case === "refusal"
      ? { type: "refusal", refusal: one.value.text }
      : { type: "output_text", text: one.case === "text" ? one.value.text : "", annotations: [] },
  );
  const [only] = run;
  if (state === undefined || state.itemId === "") {
    // Words without an item of their own: the short form, which every host takes.
    return {
      role: "assistant",
      content: run.length === 1 && only?.content.case === "text" ? only.content.value.text : content,
    };
  }
  return { type: "message", id: state.itemId, role: "assistant", status: "completed", content, ...toExtra(state) };
}

function toReasoningItem(run: readonly Part[], field: string, context: InputContext): readonly JsonOutObject[] {
  const state = ownState(run[0]?.state, field, context);
  if (run[0]?.state !== undefined && state === undefined) return [];
  const cipher = run.map((part) => new TextDecoder().decode(part.state?.data)).join("");
  // Without ciphertext OpenAI looks the item up where nothing is stored, and fails; the answer is the same without it.
  if (cipher === "" && context.needsCiphertext) return [];
  const summary: JsonOutObject[] = [];
  const content: JsonOutObject[] = [];
  for (const part of run) {
    if (part.content.case !== "reasoning" || part.content.value.text === "") continue;
    const { kind, text } = part.content.value;
    if (kind === ReasoningKind.FULL) content.push({ type: "reasoning_text", text });
    else summary.push({ type: "summary_text", text });
  }
  return [
    {
      type: "reasoning",
      id: state?.itemId || undefined,
      summary,
      content: content.length > 0 ? content : undefined,
      encrypted_content: cipher === "" ? undefined : cipher,
    },
  ];
}

function toCallItem(
  call: ToolCall,
  state: OpaqueState | undefined,
  field: string,
  context: InputContext,
): readonly JsonOut[] {
  const own = ownState(state, field, context);
  if (call.providerExecuted) {
    const item = own === undefined ? undefined : parseExactOrUndefined(new TextDecoder().decode(own.data));
    if (asObject(item) !== undefined) return [new RawJson(JSON.stringify(item))];
    context.log.dropped(`${field}.tool_call`, "a tool call that another provider ran means nothing here");
    return [];
  }
  const id = own?.itemId || undefined;
  const { callId: call_id, name, argumentsJson } = call;
  if (call.freeForm) return [{ type: "custom_tool_call", id, call_id, name, input: argumentsJson }];
  return [{ type: "function_call", id, call_id, name, arguments: argumentsJson, ...toExtra(own) }];
}

/** Members that our reader kept beside the id: `phase`, `namespace`. */
function toExtra(state: OpaqueState | undefined): JsonOutObject {
  const extra = asObject(state === undefined ? undefined : parseExactOrUndefined(new TextDecoder().decode(state.data)));
  const text = (name: string) => (typeof extra?.[name] === "string" ? extra[name] : undefined);
  return { phase: text("phase"), namespace: text("namespace") };
}

function toImageItem(
  media: Media,
  state: OpaqueState | undefined,
  field: string,
  context: InputContext,
): readonly JsonOut[] {
  const own = ownState(state, field, context);
  if (own === undefined || own.itemId === "" || media.source.case !== "data") {
    context.log.dropped(`${field}.image`, "the provider takes back its own images only");
    return [];
  }
  const result = toBase64(media.source.value);
  return [{ type: "image_generation_call", id: own.itemId, status: "completed", result }];
}

function toOwnItem(
  { provider, payloadJson }: { readonly provider: string; readonly payloadJson: string },
  field: string,
  { aliases, log }: InputContext,
): RawJson | undefined {
  if (aliases.includes(provider)) return toRawJson(payloadJson, `${field}.payload_json`, log);
  log.dropped(field, `content of ${provider} means nothing to another provider`);
  return undefined;
}

function ownState(
  state: OpaqueState | undefined,
  field: string,
  { aliases, log }: InputContext,
): OpaqueState | undefined {
  if (state === undefined || aliases.includes(state.provider)) return state;
  log.stateDropped(`${field}.state`, state.provider);
  return undefined;
}

function toResults(
  parts: readonly Part[],
  field: string,
  freeFormCalls: ReadonlySet<string>,
  context: InputContext,
): readonly JsonOut[] {
  return parts.flatMap((part, position): readonly JsonOut[] => {
    const at = `${field}.parts[${position}]`;
    noteUnplacedOptions(part, at, context.aliases, context.log);
    if (part.content.case === "toolResult")
      return [toResult(part.content.value, `${at}.tool_result`, freeFormCalls, context)];
    if (part.content.case === "provider") {
      // Outputs of tools that the contract does not model: computer, shell, patches.
      return [toOwnItem(part.content.value, `${at}.provider`, context)].filter((item) => item !== undefined);
    }
    if (part.content.case !== undefined) context.log.unsupported(at, "a message of role TOOL holds tool results only");
    return [];
  });
}

function toResult(
  result: ToolResult,
  field: string,
  freeFormCalls: ReadonlySet<string>,
  context: InputContext,
): JsonOutObject {
  if (result.isError)
    context.log.emulated(`${field}.is_error`, "the provider has no mark for failed tools; the text says it");
  const type = freeFormCalls.has(result.callId) ? "custom_tool_call_output" : "function_call_output";
  const output = result.content.length === 0 ? "" : toContent(result.content, field, context);
  return { type, call_id: result.callId, output };
}
