// A recorded request of the Responses API, told in the words of the contract. Items of kinds that the contract does not model
// become provider parts; members that it has no word for go into `provider_options`.
import { create, type JsonObject, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type CompleteRequest,
  CompleteRequestSchema,
  type MessageSchema,
  type PartSchema,
  ReasoningKind,
  ReasoningVisibility,
  Role,
  type ToolChoiceSchema,
  ToolMode,
  type ToolSchema,
} from "../../../src/contract.ts";
import { at, listAt, numberAt, type Raw, textAt } from "../raw-json.ts";
import { toEffort } from "./chat-request.ts";

type PartInit = MessageInitShape<typeof PartSchema>;
type MessageInit = MessageInitShape<typeof MessageSchema>;

const modelled: ReadonlySet<string> = new Set([
  "model",
  "input",
  "max_output_tokens",
  "temperature",
  "top_p",
  "tools",
  "tool_choice",
  "parallel_tool_calls",
  "text",
  "reasoning",
  "user",
  "prompt_cache_key",
  "service_tier",
  "stream",
]);

/** The request as a caller of the gateway would have put it, for the provider that is called `provider`. */
export function responsesRequestToContract(raw: JsonObject, provider: string): CompleteRequest {
  const rest = Object.fromEntries(Object.entries(raw).filter(([name]) => !modelled.has(name)));
  const input = at(raw, "input");
  const items = typeof input === "string" ? [{ role: "user", content: input }] : listAt(raw, "input");
  const effort = textAt(raw, "reasoning", "effort");
  const isSummary = textAt(raw, "reasoning", "summary") === "auto";
  const visibility = isSummary ? ReasoningVisibility.SUMMARY : ReasoningVisibility.UNSPECIFIED;
  return create(CompleteRequestSchema, {
    model: textAt(raw, "model"),
    messages: items.map((item) => toMessage(item, provider)),
    sampling: {
      maxOutputTokens: numberAt(raw, "max_output_tokens"),
      temperature: numberAt(raw, "temperature"),
      topP: numberAt(raw, "top_p"),
    },
    tools: listAt(raw, "tools").map((tool) => toTool(tool, provider)),
    toolChoice: toToolChoice(raw),
    responseFormat: toResponseFormat(at(raw, "text", "format")),
    reasoning: at(raw, "reasoning") === undefined ? undefined : { effort: toEffort(effort), visibility },
    endUserId: textAt(raw, "user"),
    promptCache: at(raw, "prompt_cache_key") === undefined ? undefined : { key: textAt(raw, "prompt_cache_key") },
    serviceTier: textAt(raw, "service_tier"),
    providerOptions: { [provider]: rest },
  });
}

const roleByWord: Readonly<Record<string, Role>> = {
  system: Role.SYSTEM,
  developer: Role.SYSTEM,
  user: Role.USER,
  assistant: Role.ASSISTANT,
};

function toMessage(item: Raw, provider: string): MessageInit {
  const role = roleByWord[textAt(item, "role")];
  if (role !== undefined) return { role, parts: toParts(item, provider) };
  const itemId = textAt(item, "id");
  const state = { provider, itemId };
  switch (at(item, "type")) {
    case "function_call": {
      const value = {
        callId: textAt(item, "call_id"),
        name: textAt(item, "name"),
        argumentsJson: textAt(item, "arguments"),
      };
      const extra = at(item, "namespace") === undefined ? "" : JSON.stringify({ namespace: at(item, "namespace") });
      const data = new TextEncoder().encode(extra);
      return { role: Role.ASSISTANT, parts: [{ content: { case: "toolCall", value }, state: { ...state, data } }] };
    }
    case "function_call_output": {
      const content = toParts({ content: at(item, "output") }, provider);
      const value = { callId: textAt(item, "call_id"), content };
      return { role: Role.TOOL, parts: [{ content: { case: "toolResult", value } }] };
    }
    case "reasoning":
      return { role: Role.ASSISTANT, parts: toReasoning(item, state) };
    default:
      return { role: Role.ASSISTANT, parts: [toProviderPart(item, provider)] };
  }
}

function toReasoning(item: Raw, state: { provider: string; itemId: string }): PartInit[] {
  const texts = [
    ...listAt(item, "summary").map((entry) => ({ kind: ReasoningKind.SUMMARY, text: textAt(entry, "text") })),
    ...listAt(item, "content").map((entry) => ({ kind: ReasoningKind.FULL, text: textAt(entry, "text") })),
  ];
  const data = new TextEncoder().encode(textAt(item, "encrypted_content"));
  const all = texts.length === 0 ? [{ kind: ReasoningKind.REDACTED, text: "" }] : texts;
  return all.map((value, position) => ({
    content: { case: "reasoning", value },
    state: position === all.length - 1 ? { ...state, data } : state,
  }));
}

function toParts(item: Raw, provider: string): PartInit[] {
  const content = at(item, "content");
  if (typeof content === "string") return [{ content: { case: "text", value: { text: content } } }];
  const state = textAt(item, "id") === "" ? undefined : { provider, itemId: textAt(item, "id") };
  return listAt(item, "content").map((entry) => {
    const type = textAt(entry, "type");
    if (type === "input_text" || type === "output_text") {
      return { content: { case: "text", value: { text: textAt(entry, "text") } }, state };
    }
    return toProviderPart(entry, provider);
  });
}

function toProviderPart(raw: Raw, provider: string): PartInit {
  const value = { provider, kind: textAt(raw, "type"), payloadJson: JSON.stringify(raw) };
  return { content: { case: "provider", value } };
}

function toTool(raw: Raw, provider: string): MessageInitShape<typeof ToolSchema> {
  const type = textAt(raw, "type");
  const members = typeof raw === "object" && raw !== null ? Object.entries(raw) : [];
  const without = (names: readonly string[]) => Object.fromEntries(members.filter(([name]) => !names.includes(name)));
  if (type !== "function") {
    return { kind: { case: "provider", value: { type: `${provider}.${type}`, settings: without(["type"]) } } };
  }
  const strict = at(raw, "strict");
  const value = {
    name: textAt(raw, "name"),
    description: textAt(raw, "description"),
    parametersJsonSchema: at(raw, "parameters") === undefined ? "" : JSON.stringify(at(raw, "parameters")),
    strict: typeof strict === "boolean" ? strict : undefined,
  };
  const options = without(["type", "name", "description", "parameters", "strict"]);
  return { kind: { case: "function", value }, providerOptions: { [provider]: options } };
}

const modeByWord: Readonly<Record<string, ToolMode>> = {
  auto: ToolMode.AUTO,
  none: ToolMode.NONE,
  required: ToolMode.REQUIRED,
};

function toToolChoice(raw: Raw): MessageInitShape<typeof ToolChoiceSchema> | undefined {
  const choice = at(raw, "tool_choice");
  const parallel = at(raw, "parallel_tool_calls");
  const parallelToolCalls = typeof parallel === "boolean" ? parallel : undefined;
  if (choice === undefined && parallelToolCalls === undefined) return undefined;
  const name = textAt(choice, "name");
  if (name !== "") return { mode: ToolMode.REQUIRED, allowedTools: [name], parallelToolCalls };
  const allowedTools = listAt(choice, "tools").map((tool) => textAt(tool, "name"));
  const word = typeof choice === "string" ? choice : textAt(choice, "mode");
  return { mode: modeByWord[word] ?? ToolMode.UNSPECIFIED, allowedTools, parallelToolCalls };
}

function toResponseFormat(raw: Raw): CompleteRequest["responseFormat"] {
  if (at(raw, "type") !== "json_schema") return undefined;
  const strict = at(raw, "strict");
  const value = {
    name: textAt(raw, "name"),
    description: textAt(raw, "description"),
    schemaJson: JSON.stringify(at(raw, "schema")),
    strict: typeof strict === "boolean" ? strict : undefined,
  };
  return create(CompleteRequestSchema, { responseFormat: { format: { case: "jsonSchema", value } } }).responseFormat;
}
