// A recorded request of the Messages API, told in the words of the contract: the way back of what the adapter does,
// written without looking at it. What the contract has no word for goes into `provider_options`.
import { create, type JsonObject, type JsonValue, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type CompleteRequest,
  CompleteRequestSchema,
  type PartSchema,
  ReasoningEffort,
  type ReasoningOptionsSchema,
  Role,
  type ToolChoiceSchema,
  ToolMode,
  type ToolSchema,
} from "../../../src/contract.ts";
import { at, listAt, numberAt, type Raw, textAt } from "../raw-json.ts";

type PartInit = MessageInitShape<typeof PartSchema>;
type Content = NonNullable<Extract<PartInit, { content?: unknown }>["content"]>;

/** Members that the contract has a word for. */
const modelled: ReadonlySet<string> = new Set([
  "model",
  "messages",
  "system",
  "max_tokens",
  "temperature",
  "top_p",
  "top_k",
  "stop_sequences",
  "stream",
  "tools",
  "tool_choice",
  "thinking",
  "output_config",
  "metadata",
  "anthropic_version",
]);

export function anthropicRequestToContract(raw: JsonObject, model: string): CompleteRequest {
  const system = blocksOf(raw["system"]).map(toPart);
  const turns = listAt(raw, "messages").map((turn) => ({
    role: textAt(turn, "role") === "assistant" ? Role.ASSISTANT : Role.USER,
    parts: blocksOf(at(turn, "content")).map(toPart),
  }));
  const rest = Object.entries(raw).filter(([name]) => !modelled.has(name));
  const schema = at(raw, "output_config", "format", "schema");
  return create(CompleteRequestSchema, {
    model: textAt(raw, "model") || model,
    messages: system.length > 0 ? [{ role: Role.SYSTEM, parts: system }, ...turns] : turns,
    sampling: toSampling(raw),
    tools: listAt(raw, "tools").map(toTool),
    ...(raw["tool_choice"] !== undefined && { toolChoice: toToolChoice(raw["tool_choice"]) }),
    ...(raw["thinking"] !== undefined && { reasoning: toReasoning(raw) }),
    ...(schema !== undefined && {
      responseFormat: { format: { case: "jsonSchema", value: { schemaJson: JSON.stringify(schema) } } },
    }),
    endUserId: textAt(raw, "metadata", "user_id"),
    providerOptions: rest.length > 0 ? { anthropic: Object.fromEntries(rest) } : {},
  });
}

function blocksOf(content: Raw): readonly Raw[] {
  if (typeof content === "string") return [{ type: "text", text: content }];
  return Array.isArray(content) ? content : [];
}

function toSampling(raw: JsonObject) {
  const numbers = {
    maxOutputTokens: numberAt(raw, "max_tokens"),
    temperature: numberAt(raw, "temperature"),
    topP: numberAt(raw, "top_p"),
    topK: numberAt(raw, "top_k"),
  };
  const known = Object.fromEntries(Object.entries(numbers).filter(([, value]) => value !== undefined));
  return { ...known, stopSequences: listAt(raw, "stop_sequences").map(String) };
}

function toPart(block: Raw): PartInit {
  const lifetime = textAt(block, "cache_control", "ttl");
  const ttl = { seconds: lifetime === "1h" ? 3600n : 300n, nanos: 0 };
  const isMarked = at(block, "cache_control") instanceof Object;
  const saved = stateOf(block);
  return {
    content: toContent(block),
    ...(isMarked && { cacheBreakpoint: lifetime === "" ? {} : { ttl } }),
    ...(saved !== "" && { state: { provider: "anthropic", data: new TextEncoder().encode(saved) } }),
  };
}

/** What the caller got as opaque state with such a block. */
function stateOf(block: Raw): string {
  switch (textAt(block, "type")) {
    case "thinking":
      return textAt(block, "signature");
    case "redacted_thinking":
      return textAt(block, "data");
    case "server_tool_use":
      return JSON.stringify(without(block, ["id", "name", "input", "cache_control"]));
    case "text":
      return Array.isArray(at(block, "citations")) ? JSON.stringify(at(block, "citations")) : "";
    default:
      return "";
  }
}

function toContent(block: Raw): Content {
  const type = textAt(block, "type");
  switch (type) {
    case "text":
      return { case: "text", value: { text: textAt(block, "text") } };
    case "thinking":
      return { case: "reasoning", value: { text: textAt(block, "thinking") } };
    case "tool_use":
    case "server_tool_use":
      return {
        case: "toolCall",
        value: {
          callId: textAt(block, "id"),
          name: textAt(block, "name"),
          argumentsJson: JSON.stringify(at(block, "input")),
          providerExecuted: type === "server_tool_use",
        },
      };
    case "tool_result": {
      const content = blocksOf(at(block, "content")).map(toPart);
      const isError = at(block, "is_error") === true;
      return { case: "toolResult", value: { callId: textAt(block, "tool_use_id"), content, isError } };
    }
    case "image":
    case "document":
      return { case: type, value: toMedia(block) };
    default:
      return { case: "provider", value: { provider: "anthropic", kind: type, payloadJson: JSON.stringify(block) } };
  }
}

function toMedia(block: Raw) {
  const source = at(block, "source");
  const common = {
    mediaType: textAt(source, "media_type"),
    title: textAt(block, "title"),
    citationsEnabled: at(block, "citations", "enabled") === true,
  };
  const data = textAt(source, "data");
  switch (textAt(source, "type")) {
    case "url":
      return { ...common, source: { case: "uri", value: textAt(source, "url") } as const };
    case "file":
      return { ...common, source: { case: "fileId", value: textAt(source, "file_id") } as const };
    case "base64":
      return { ...common, source: { case: "data", value: new Uint8Array(Buffer.from(data, "base64")) } as const };
    default:
      return { ...common, source: { case: "data", value: new TextEncoder().encode(data) } as const };
  }
}

function toTool(tool: Raw): MessageInitShape<typeof ToolSchema> {
  if (at(tool, "input_schema") === undefined) {
    const settings = without(tool, ["type", "name"]);
    return { kind: { case: "provider", value: { type: `anthropic.${textAt(tool, "type")}`, settings } } };
  }
  const strict = at(tool, "strict");
  const value = {
    name: textAt(tool, "name"),
    description: textAt(tool, "description"),
    parametersJsonSchema: JSON.stringify(at(tool, "input_schema")),
    ...(typeof strict === "boolean" && { strict }),
  };
  const rest = without(tool, ["name", "description", "input_schema", "strict", "cache_control"]);
  return {
    kind: { case: "function", value },
    ...(at(tool, "cache_control") !== undefined && { cacheBreakpoint: {} }),
    providerOptions: Object.keys(rest).length > 0 ? { anthropic: rest } : {},
  };
}

const modes: Readonly<Record<string, ToolMode>> = {
  auto: ToolMode.AUTO,
  any: ToolMode.REQUIRED,
  tool: ToolMode.REQUIRED,
  none: ToolMode.NONE,
};

function toToolChoice(choice: Raw): MessageInitShape<typeof ToolChoiceSchema> {
  const name = textAt(choice, "name");
  const disabled = at(choice, "disable_parallel_tool_use");
  return {
    mode: modes[textAt(choice, "type")] ?? ToolMode.UNSPECIFIED,
    allowedTools: name === "" ? [] : [name],
    ...(typeof disabled === "boolean" && { parallelToolCalls: !disabled }),
  };
}

const efforts: Readonly<Record<string, ReasoningEffort>> = {
  low: ReasoningEffort.LOW,
  medium: ReasoningEffort.MEDIUM,
  high: ReasoningEffort.HIGH,
  max: ReasoningEffort.MAX,
};

function toReasoning(raw: JsonObject): MessageInitShape<typeof ReasoningOptionsSchema> {
  const budgetTokens = numberAt(raw, "thinking", "budget_tokens");
  if (budgetTokens !== undefined) return { budgetTokens };
  if (textAt(raw, "thinking", "type") === "disabled") return { effort: ReasoningEffort.NONE };
  // "high" is what the API takes when nothing is said.
  return { effort: efforts[textAt(raw, "output_config", "effort")] ?? ReasoningEffort.HIGH };
}

function without(value: Raw, names: readonly string[]): Record<string, JsonValue> {
  const members: Record<string, JsonValue> = JSON.parse(JSON.stringify(value));
  return Object.fromEntries(Object.entries(members).filter(([name]) => !names.includes(name)));
}
