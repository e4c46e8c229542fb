// The conversation as chat messages. One message of the contract may become several: each tool result is a message of its
// own, and media in results follow in a user message, since results are text here.
import {
  type Message,
  type OpaqueState,
  type Part,
  type ReasoningPart,
  Role,
  type ToolCall,
  type ToolResult,
} from "../../contract.ts";
import { parseJson } from "../../wire/json.ts";
import { fieldOfContent } from "../field-of-content.ts";
import { type JsonOut, type JsonOutObject, RawJson } from "../json-writer.ts";
import { noteUnplacedOptions } from "../note-unplaced-options.ts";
import { providerOptionsOf } from "../provider-options.ts";
import type { TranslationLog } from "../translation-log.ts";
import type { Dialect } from "./dialect.ts";
import { type MediaKind, toMediaPart } from "./request-media.ts";

/** What the translation of messages depends on. */
export type MessageContext = {
  readonly dialect: Dialect;
  readonly systemRole: "system" | "developer";
  /** Names of this provider, for options and opaque state. */
  readonly aliases: readonly string[];
  readonly log: TranslationLog;
};

/** Chat messages for the whole conversation. */
export function toChatMessages(messages: readonly Message[], context: MessageContext): readonly JsonOutObject[] {
  return messages.flatMap((message, position) => toMessages(message, `messages[${position}]`, context));
}

function toMessages(message: Message, field: string, context: MessageContext): readonly JsonOutObject[] {
  switch (message.role) {
    case Role.SYSTEM:
      return [
        {
          role: context.systemRole,
          content: toContent(message, field, context),
          name: toName(message, field, context),
        },
      ];
    case Role.USER:
      return [{ role: "user", content: toContent(message, field, context), name: toName(message, field, context) }];
    case Role.ASSISTANT:
      return [toAssistantMessage(message, field, context)];
    case Role.TOOL:
      return toToolMessages(message, field, context);
    default:
      context.log.unsupported(`${field}.role`, "this role is not known");
      return [];
  }
}

function toName(message: Message, field: string, { dialect, log }: MessageContext): string | undefined {
  if (message.name === "") return undefined;
  if (dialect.names) return message.name;
  log.dropped(`${field}.name`, "the provider has no names of participants");
  return undefined;
}

/** Text alone where there is one plain text, since every server takes that; else a list of parts. */
function toContent(message: Message, field: string, context: MessageContext): JsonOut {
  const only = message.parts.length === 1 ? message.parts[0] : undefined;
  if (only?.content.case === "text" && isPlain(only, context)) return only.content.value.text;
  return message.parts
    .map((part, position) => toContentPart(part, `${field}.parts[${position}]`, context))
    .filter((part) => part !== undefined);
}

function isPlain(part: Part, { dialect, aliases }: MessageContext): boolean {
  const hasBreakpoint = part.cacheBreakpoint !== undefined && dialect.cacheControl;
  return !hasBreakpoint && Object.keys(providerOptionsOf(part.providerOptions, aliases)).length === 0;
}

/** A part of a system, user or tool message; `undefined`: left out, as noted. */
function toContentPart(part: Part, field: string, context: MessageContext): JsonOutObject | RawJson | undefined {
  const { content } = part;
  switch (content.case) {
    case "text":
      return decorate({ type: "text", text: content.value.text }, part, context);
    case "image":
    case "audio":
    case "video":
    case "document":
      return toDecoratedMedia(content.case, part, field, context);
    case "provider":
      return toProviderPart(content.value, `${field}.provider`, context);
    case undefined:
      return undefined; // Made by a newer caller: its own contract says that older ones keep quiet.
    default:
      context.log.unsupported(field, `a ${content.case} part cannot stand in a message of this role`);
      return undefined;
  }
}

function toDecoratedMedia(
  kind: MediaKind,
  part: Part,
  field: string,
  context: MessageContext,
): JsonOutObject | undefined {
  if (part.content.case !== kind) return undefined;
  const media = toMediaPart(kind, part.content.value, context.dialect, `${field}.${kind}`, context.log);
  return media === undefined ? undefined : decorate(media, part, context);
}

function toProviderPart(
  { provider, payloadJson }: { readonly provider: string; readonly payloadJson: string },
  field: string,
  { aliases, log }: MessageContext,
): RawJson | undefined {
  if (!aliases.includes(provider)) {
    log.dropped(field, `content of ${provider} means nothing to another provider`);
    return undefined;
  }
  return toRawJson(payloadJson, `${field}.payload_json`, log);
}

/** Adds the cache breakpoint and the caller's own options. */
function decorate(body: JsonOutObject, part: Part, { dialect, aliases }: MessageContext): JsonOutObject {
  const cacheControl = dialect.cacheControl ? toCacheControl(part.cacheBreakpoint) : undefined;
  const options = providerOptionsOf(part.providerOptions, aliases);
  return cacheControl === undefined ? { ...body, ...options } : { ...body, cache_control: cacheControl, ...options };
}

/** Anthropic's form, which OpenRouter and Alibaba took over: 5 minutes, or an hour for anything longer. */
export function toCacheControl(breakpoint: Part["cacheBreakpoint"]): JsonOutObject | undefined {
  if (breakpoint === undefined) return undefined;
  if (breakpoint.ttl === undefined) return { type: "ephemeral" };
  return { type: "ephemeral", ttl: breakpoint.ttl.seconds > 300n ? "1h" : "5m" };
}

/** What the parts of an earlier answer become; chat messages hold each kind in a place of its own. */
type AssistantParts = {
  /** Text and what only this provider understands, in order. */
  readonly content: (string | RawJson)[];
  refusal: string;
  readonly calls: JsonOutObject[];
  readonly reasoning: ReasoningBack[];
  audioId: string | undefined;
};

function toAssistantMessage(message: Message, field: string, context: MessageContext): JsonOutObject {
  const parts: AssistantParts = { content: [], refusal: "", calls: [], reasoning: [], audioId: undefined };
  for (const [position, part] of message.parts.entries()) {
    collectAssistantPart(parts, part, `${field}.parts[${position}]`, context);
  }
  const { refusal, calls, audioId } = parts;
  const content = joinContent(parts.content);
  return {
    role: "assistant",
    // Null beside calls is what OpenAI's own clients send; an empty text is refused by some servers.
    content: content === "" && (calls.length > 0 || refusal !== "") ? null : content,
    name: toName(message, field, context),
    ...mergeReasoning(parts.reasoning, context.dialect),
    refusal: refusal === "" ? undefined : refusal,
    audio: audioId === undefined ? undefined : { id: audioId },
    tool_calls: calls.length > 0 ? calls : undefined,
  };
}

/** One text where there is only text, as every server takes it; else a list. */
function joinContent(content: readonly (string | RawJson)[]): string | readonly JsonOut[] {
  if (content.every((piece) => typeof piece === "string")) return content.join("");
  return content.map((piece) => (typeof piece === "string" ? { type: "text", text: piece } : piece));
}

function collectAssistantPart(parts: AssistantParts, part: Part, field: string, context: MessageContext): void {
  const { content } = part;
  noteUnplaced(part, field, context);
  switch (content.case) {
    case "text":
      parts.content.push(content.value.text);
      return;
    case "refusal":
      parts.refusal += content.value.text;
      return;
    case "toolCall":
      parts.calls.push(...toCall(content.value, part, field, context));
      return;
    case "reasoning":
      parts.reasoning.push(...toReasoningBack(content.value, part.state, field, context));
      return;
    case "audio":
      parts.audioId = ownState(part.state, field, context)?.itemId || parts.audioId;
      if (parts.audioId === undefined)
        context.log.dropped(`${field}.audio`, "the provider takes back its own audio only");
      return;
    case "provider": {
      const raw = toProviderPart(content.value, `${field}.provider`, context);
      if (raw !== undefined) parts.content.push(raw);
      return;
    }
    case undefined:
      return; // Made by a newer caller, as above.
    default:
      context.log.dropped(fieldOfContent(field, content), "the provider takes no such content in earlier answers");
  }
}

/** Earlier answers and results are members of a message here: nothing can stand beside one. */
function noteUnplaced(part: Part, field: string, { dialect, aliases, log }: MessageContext): void {
  noteUnplacedOptions(part, field, aliases, log);
  if (part.cacheBreakpoint === undefined || !dialect.cacheControl) return;
  log.dropped(
    `${field}.cache_breakpoint`,
    "the provider takes breakpoints in messages of the system and the user only",
  );
}

function toCall(call: ToolCall, part: Part, field: string, context: MessageContext): readonly JsonOutObject[] {
  if (call.providerExecuted) {
    context.log.dropped(`${field}.tool_call`, "the provider takes back no calls of tools that a provider ran");
    return [];
  }
  const state = ownState(part.state, field, context);
  const extra = state === undefined || state.data.length === 0 ? undefined : toExtra(state.data);
  if (call.freeForm) {
    return [{ id: call.callId, type: "custom", custom: { name: call.name, input: call.argumentsJson } }];
  }
  // Arguments are a string of JSON here: what the model wrote goes back byte for byte.
  const { name, argumentsJson } = call;
  return [{ id: call.callId, type: "function", function: { name, arguments: argumentsJson }, extra_content: extra }];
}

/** Our own reader wrote it, but it went through the caller: not JSON means not ours. */
function toExtra(data: Uint8Array): RawJson | undefined {
  const text = new TextDecoder().decode(data);
  try {
    parseJson(text);
    return new RawJson(text);
  } catch {
    return undefined; // Damaged on its way; the provider decides whether it can do without.
  }
}

type ReasoningBack = { readonly text: string; readonly details: string };

function toReasoningBack(
  reasoning: ReasoningPart,
  state: OpaqueState | undefined,
  field: string,
  context: MessageContext,
): readonly ReasoningBack[] {
  if (state !== undefined && !context.aliases.includes(state.provider)) {
    context.log.stateDropped(`${field}.state`, state.provider);
    return [];
  }
  const { reasoningBack } = context.dialect;
  // Only this form has a place for what the provider keeps hidden.
  if (state !== undefined && state.data.length > 0 && reasoningBack !== "reasoning_details") {
    context.log.adjusted(field, "the provider takes back no hidden reasoning here");
  }
  // Where the server wants none of it back, the reasoning of earlier turns has no effect: nothing is lost.
  if (reasoningBack === undefined) return [];
  return [{ text: reasoning.text, details: new TextDecoder().decode(state?.data) }];
}

function mergeReasoning(reasoning: readonly ReasoningBack[], { reasoningBack }: Dialect): JsonOutObject {
  if (reasoning.length === 0 || reasoningBack === undefined) return {};
  const text = reasoning.map((one) => one.text).join("");
  if (reasoningBack !== "reasoning_details") return text === "" ? {} : { [reasoningBack]: text };
  const details = reasoning.flatMap((one) => listItems(one.details));
  return { reasoning: text === "" ? undefined : text, reasoning_details: details.length > 0 ? details : undefined };
}

/** The entries of our own state, each as JSON text. */
function listItems(json: string): readonly RawJson[] {
  try {
    const list = parseJson(json);
    return Array.isArray(list) ? list.map((item) => new RawJson(JSON.stringify(item))) : [];
  } catch {
    return []; // No state of ours.
  }
}

/** The state if this provider issued it; else `undefined`, and noted. */
function ownState(
  state: OpaqueState | undefined,
  field: string,
  { aliases, log }: MessageContext,
): OpaqueState | undefined {
  if (state === undefined || aliases.includes(state.provider)) return state;
  log.stateDropped(`${field}.state`, state.provider);
  return undefined;
}

function toToolMessages(message: Message, field: string, context: MessageContext): readonly JsonOutObject[] {
  const results: JsonOutObject[] = [];
  const media: JsonOut[] = [];
  for (const [position, part] of message.parts.entries()) {
    const at = `${field}.parts[${position}]`;
    if (part.content.case === "toolResult") {
      noteUnplaced(part, at, context);
      results.push(toResult(part.content.value, `${at}.tool_result`, media, context));
    } else if (part.content.case !== undefined) {
      context.log.unsupported(at, "a message of role TOOL holds tool results only");
    }
  }
  // After all results: a server wants them directly behind the calls.
  return media.length === 0 ? results : [...results, { role: "user", content: media }];
}

function toResult(result: ToolResult, field: string, media: JsonOut[], context: MessageContext): JsonOutObject {
  if (result.isError)
    context.log.emulated(`${field}.is_error`, "the provider has no mark for failed tools; the text says it");
  const texts: JsonOutObject[] = [];
  for (const [position, part] of result.content.entries()) {
    const at = `${field}.content[${position}]`;
    const translated = toContentPart(part, at, context);
    if (translated === undefined) continue;
    if (part.content.case === "text" && !(translated instanceof RawJson)) {
      texts.push(translated);
      continue;
    }
    context.log.emulated(at, "tool results are text here; this was put into a user message after them");
    media.push({ type: "text", text: `Output of tool call ${result.callId}:` }, translated);
  }
  const [first] = texts;
  const isOneText = texts.length === 1 && first !== undefined && Object.keys(first).length === 2;
  const content = isOneText ? (first["text"] ?? "") : texts.length === 0 ? "" : texts;
  return { role: "tool", tool_call_id: result.callId, content };
}

/** JSON text that a caller gave; noted and `undefined` when it is none. */
export function toRawJson(text: string, field: string, log: TranslationLog): RawJson | undefined {
  try {
    parseJson(text);
    return new RawJson(text);
  } catch {
    log.unsupported(field, "this is not valid JSON");
    return undefined;
  }
}
