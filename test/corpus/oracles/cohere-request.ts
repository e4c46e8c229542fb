// A recorded request of Cohere's chat API, told in the words of the contract: the way back of what the adapter does, written
// without looking at it. What the contract has no word for goes into `provider_options`.
import { create, type JsonObject, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type CompleteRequest,
  CompleteRequestSchema,
  MediaDetail,
  type MessageSchema,
  type PartSchema,
  Role,
  ToolMode,
} from "../../../src/contract.ts";
import { at, listAt, numberAt, type Raw, textAt } from "../raw-json.ts";

type PartInit = MessageInitShape<typeof PartSchema>;
type MessageInit = MessageInitShape<typeof MessageSchema>;

const modelled: ReadonlySet<string> = new Set([
  "model",
  "messages",
  "tools",
  "tool_choice",
  "max_tokens",
  "temperature",
  "response_format",
  "stream",
]);

export function cohereRequestToContract(raw: JsonObject): CompleteRequest {
  const rest = Object.fromEntries(Object.entries(raw).filter(([name]) => !modelled.has(name)));
  const schema = at(raw, "response_format", "json_schema");
  return create(CompleteRequestSchema, {
    model: textAt(raw, "model"),
    messages: listAt(raw, "messages").map(toMessage),
    sampling: { maxOutputTokens: numberAt(raw, "max_tokens"), temperature: numberAt(raw, "temperature") },
    tools: listAt(raw, "tools").map((tool) => ({
      kind: {
        case: "function" as const,
        value: {
          name: textAt(tool, "function", "name"),
          description: textAt(tool, "function", "description"),
          parametersJsonSchema: JSON.stringify(at(tool, "function", "parameters")),
        },
      },
    })),
    toolChoice: at(raw, "tool_choice") === "REQUIRED" ? { mode: ToolMode.REQUIRED } : undefined,
    responseFormat:
      schema === undefined
        ? undefined
        : { format: { case: "jsonSchema", value: { schemaJson: JSON.stringify(schema) } } },
    providerOptions: Object.keys(rest).length === 0 ? {} : { cohere: rest },
  });
}

const roles: Readonly<Record<string, Role>> = {
  system: Role.SYSTEM,
  user: Role.USER,
  assistant: Role.ASSISTANT,
  tool: Role.TOOL,
};

function toMessage(raw: Raw): MessageInit {
  const role = roles[textAt(raw, "role")] ?? Role.UNSPECIFIED;
  const content = at(raw, "content");
  const parts =
    typeof content === "string"
      ? [{ content: { case: "text" as const, value: { text: content } } }]
      : listAt(raw, "content").map(toPart);
  if (role !== Role.TOOL) return { role, parts: [...toPlan(raw), ...parts, ...listAt(raw, "tool_calls").map(toCall)] };
  const value = { callId: textAt(raw, "tool_call_id"), content: parts };
  return { role, parts: [{ content: { case: "toolResult", value } }] };
}

function toPlan(raw: Raw): readonly PartInit[] {
  const text = textAt(raw, "tool_plan");
  const state = { provider: "cohere", itemId: "tool_plan" };
  return text === "" ? [] : [{ content: { case: "reasoning", value: { text } }, state }];
}

function toPart(raw: Raw): PartInit {
  if (at(raw, "type") === "text") return { content: { case: "text", value: { text: textAt(raw, "text") } } };
  const url = textAt(raw, "image_url", "url");
  if (url !== "") {
    const detail = at(raw, "image_url", "detail") === "high" ? MediaDetail.HIGH : MediaDetail.UNSPECIFIED;
    return { content: { case: "image", value: { source: { case: "uri", value: url }, detail } } };
  }
  const value = new TextEncoder().encode(JSON.stringify(at(raw, "document", "data")));
  return {
    content: { case: "document", value: { source: { case: "data", value }, mediaType: "application/json" } },
  };
}

function toCall(raw: Raw): PartInit {
  const value = {
    callId: textAt(raw, "id"),
    name: textAt(raw, "function", "name"),
    argumentsJson: textAt(raw, "function", "arguments"),
  };
  return { content: { case: "toolCall", value } };
}
