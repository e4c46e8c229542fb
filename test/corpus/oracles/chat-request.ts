// A recorded chat completion request, told in the words of the contract: the way back of what the adapter does, written
// without looking at it. What the contract has no word for goes into `provider_options`.
import type { JsonObject } from "@bufbuild/protobuf";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type CompleteRequest,
  CompleteRequestSchema,
  type MessageSchema,
  Modality,
  type PartSchema,
  ReasoningEffort,
  Role,
  type ToolChoiceSchema,
  ToolMode,
  type ToolSchema,
} from "../../../src/contract.ts";
import { at, listAt, numberAt, type Raw, textAt } from "../raw-json.ts";

type PartInit = MessageInitShape<typeof PartSchema>;
type MessageInit = MessageInitShape<typeof MessageSchema>;

/** Members that the contract has a word for. */
const modelled: ReadonlySet<string> = new Set([
  "model",
  "messages",
  "max_tokens",
  "max_completion_tokens",
  "temperature",
  "top_p",
  "frequency_penalty",
  "presence_penalty",
  "seed",
  "stop",
  "logprobs",
  "top_logprobs",
  "tools",
  "tool_choice",
  "parallel_tool_calls",
  "response_format",
  "reasoning_effort",
  "modalities",
  "audio",
  "user",
  "prompt_cache_key",
  "service_tier",
  "stream",
  "stream_options",
]);

/** The request as a caller of the gateway would have put it, for the provider that is called `provider`. */
export function chatRequestToContract(raw: JsonObject, provider: string): CompleteRequest {
  const rest = Object.fromEntries(Object.entries(raw).filter(([name]) => !modelled.has(name)));
  const seed = numberAt(raw, "seed");
  return create(CompleteRequestSchema, {
    model: textAt(raw, "model"),
    messages: listAt(raw, "messages").map((message) => toMessage(message, provider)),
    sampling: {
      maxOutputTokens: numberAt(raw, "max_completion_tokens") ?? numberAt(raw, "max_tokens"),
      temperature: numberAt(raw, "temperature"),
      topP: numberAt(raw, "top_p"),
      frequencyPenalty: numberAt(raw, "frequency_penalty"),
      presencePenalty: numberAt(raw, "presence_penalty"),
      seed: seed === undefined ? undefined : BigInt(seed),
      stopSequences: toList(at(raw, "stop")),
      topLogprobs: numberAt(raw, "top_logprobs"),
    },
    tools: listAt(raw, "tools").map((tool) => toTool(tool, provider)),
    toolChoice: toToolChoice(raw),
    responseFormat: toResponseFormat(at(raw, "response_format")),
    reasoning:
      at(raw, "reasoning_effort") === undefined ? undefined : { effort: toEffort(textAt(raw, "reasoning_effort")) },
    outputModalities: listAt(raw, "modalities").map((word) => (word === "audio" ? Modality.AUDIO : Modality.TEXT)),
    audioOutput:
      at(raw, "audio") === undefined
        ? undefined
        : { voice: textAt(raw, "audio", "voice"), mediaType: `audio/${textAt(raw, "audio", "format")}` },
    endUserId: textAt(raw, "user"),
    promptCache: at(raw, "prompt_cache_key") === undefined ? undefined : { key: textAt(raw, "prompt_cache_key") },
    serviceTier: textAt(raw, "service_tier"),
    providerOptions: Object.keys(rest).length === 0 ? {} : { [provider]: rest },
  });
}

function toTool(tool: Raw, provider: string): MessageInitShape<typeof ToolSchema> {
  const cacheBreakpoint = toBreakpoint(at(tool, "cache_control"));
  const definition = at(tool, "function");
  if (definition === undefined) {
    return { kind: { case: "provider", value: { type: `${provider}.${textAt(tool, "type")}` } }, cacheBreakpoint };
  }
  const value = {
    name: textAt(definition, "name"),
    description: textAt(definition, "description"),
    parametersJsonSchema: toJsonText(at(definition, "parameters")),
    strict: toBoolean(at(definition, "strict")),
  };
  return { kind: { case: "function", value }, cacheBreakpoint };
}

const roleByWord: Readonly<Record<string, Role>> = {
  system: Role.SYSTEM,
  developer: Role.SYSTEM,
  user: Role.USER,
  assistant: Role.ASSISTANT,
  tool: Role.TOOL,
};

function toMessage(raw: Raw, provider: string): MessageInit {
  const role = roleByWord[textAt(raw, "role")] ?? Role.UNSPECIFIED;
  const name = textAt(raw, "name");
  if (role !== Role.TOOL)
    return { role, name, parts: [...toReasoning(raw, provider), ...toParts(raw, provider), ...toCalls(raw)] };
  const value = { callId: textAt(raw, "tool_call_id"), content: toParts(raw, provider) };
  return { role, parts: [{ content: { case: "toolResult", value } }] };
}

function toReasoning(raw: Raw, provider: string): PartInit[] {
  const text = textAt(raw, "reasoning_content") || textAt(raw, "reasoning");
  const details = at(raw, "reasoning_details");
  if (text === "" && details === undefined) return [];
  const data = details === undefined ? new Uint8Array(0) : new TextEncoder().encode(JSON.stringify(details));
  return [{ content: { case: "reasoning", value: { text } }, state: { provider, data } }];
}

function toParts(raw: Raw, provider: string): PartInit[] {
  const content = at(raw, "content");
  if (typeof content === "string")
    return content === "" ? [] : [{ content: { case: "text", value: { text: content } } }];
  const refusal = textAt(raw, "refusal");
  const parts = listAt(raw, "content").map((entry) => toPart(entry, provider));
  return refusal === "" ? parts : [...parts, { content: { case: "refusal", value: { text: refusal } } }];
}

function toPart(raw: Raw, provider: string): PartInit {
  const cacheBreakpoint = toBreakpoint(at(raw, "cache_control"));
  const url = textAt(raw, "image_url", "url");
  if (at(raw, "type") === "text" && at(raw, "prompt_cache_breakpoint") === undefined) {
    return { content: { case: "text", value: { text: textAt(raw, "text") } }, cacheBreakpoint };
  }
  if (url !== "" && at(raw, "image_url", "detail") === undefined) {
    return { content: { case: "image", value: { source: { case: "uri", value: url } } }, cacheBreakpoint };
  }
  const format = textAt(raw, "input_audio", "format");
  if (format !== "") {
    const value = new Uint8Array(Buffer.from(textAt(raw, "input_audio", "data"), "base64"));
    const mediaType = format === "mp3" ? "audio/mpeg" : `audio/${format}`;
    return { content: { case: "audio", value: { source: { case: "data", value }, mediaType } } };
  }
  const value = { provider, kind: textAt(raw, "type"), payloadJson: JSON.stringify(raw) };
  return { content: { case: "provider", value } };
}

function toBreakpoint(raw: Raw): PartInit["cacheBreakpoint"] {
  if (raw === undefined) return undefined;
  const ttl = textAt(raw, "ttl");
  return ttl === "" ? {} : { ttl: { seconds: ttl === "1h" ? 3600n : 300n } };
}

function toCalls(raw: Raw): PartInit[] {
  return listAt(raw, "tool_calls").map((call) => ({
    content: {
      case: "toolCall",
      value: {
        callId: textAt(call, "id"),
        name: textAt(call, "function", "name"),
        argumentsJson: textAt(call, "function", "arguments"),
      },
    },
  }));
}

const modeByWord: Readonly<Record<string, ToolMode>> = {
  auto: ToolMode.AUTO,
  none: ToolMode.NONE,
  required: ToolMode.REQUIRED,
  any: ToolMode.REQUIRED,
};

function toToolChoice(raw: Raw): MessageInitShape<typeof ToolChoiceSchema> | undefined {
  const choice = at(raw, "tool_choice");
  const parallelToolCalls = toBoolean(at(raw, "parallel_tool_calls"));
  if (choice === undefined && parallelToolCalls === undefined) return undefined;
  const name = textAt(choice, "function", "name");
  if (name !== "") return { mode: ToolMode.REQUIRED, allowedTools: [name], parallelToolCalls };
  return {
    mode: (typeof choice === "string" ? modeByWord[choice] : undefined) ?? ToolMode.UNSPECIFIED,
    parallelToolCalls,
  };
}

function toResponseFormat(raw: Raw): CompleteRequest["responseFormat"] {
  const schema = at(raw, "json_schema");
  if (at(raw, "type") === "json_object") {
    return create(CompleteRequestSchema, { responseFormat: { format: { case: "jsonObject", value: {} } } })
      .responseFormat;
  }
  if (schema === undefined) return undefined;
  const value = {
    name: textAt(schema, "name"),
    description: textAt(schema, "description"),
    schemaJson: toJsonText(at(schema, "schema")),
    strict: toBoolean(at(schema, "strict")),
  };
  return create(CompleteRequestSchema, { responseFormat: { format: { case: "jsonSchema", value } } }).responseFormat;
}

/** Effort by OpenAI's word. */
export function toEffort(word: string): ReasoningEffort {
  const words = ["", "none", "minimal", "low", "medium", "high", "xhigh", "max"];
  return effortByPosition[words.indexOf(word)] ?? ReasoningEffort.UNSPECIFIED;
}

const effortByPosition: readonly ReasoningEffort[] = [
  ReasoningEffort.UNSPECIFIED,
  ReasoningEffort.NONE,
  ReasoningEffort.MINIMAL,
  ReasoningEffort.LOW,
  ReasoningEffort.MEDIUM,
  ReasoningEffort.HIGH,
  ReasoningEffort.XHIGH,
  ReasoningEffort.MAX,
];

function toList(value: Raw): string[] {
  if (typeof value === "string") return [value];
  return Array.isArray(value) ? value.map(String) : [];
}

function toBoolean(value: Raw): boolean | undefined {
  return typeof value === "boolean" ? value : undefined;
}

function toJsonText(value: Raw): string {
  return value === undefined ? "" : JSON.stringify(value);
}
