// A recorded request of Ollama's own chat API, told in the words of the contract: the way back of what the adapter does,
// written without looking at it. What the contract has no word for goes into `provider_options`.
import { create, type JsonObject, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type CompleteRequest,
  CompleteRequestSchema,
  type MessageSchema,
  type PartSchema,
  ReasoningEffort,
  Role,
} from "../../../src/contract.ts";
import { at, listAt, numberAt, type Raw, textAt } from "../raw-json.ts";

type PartInit = MessageInitShape<typeof PartSchema>;
type MessageInit = MessageInitShape<typeof MessageSchema>;

export function ollamaRequestToContract(raw: JsonObject): CompleteRequest {
  const keepAlive = at(raw, "keep_alive");
  const format = at(raw, "format");
  const think = at(raw, "think");
  return create(CompleteRequestSchema, {
    model: textAt(raw, "model"),
    messages: listAt(raw, "messages").map(toMessage),
    sampling: { maxOutputTokens: numberAt(raw, "options", "num_predict") },
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
    responseFormat:
      typeof format === "object"
        ? { format: { case: "jsonSchema", value: { schemaJson: JSON.stringify(format) } } }
        : undefined,
    reasoning:
      think === undefined ? undefined : { effort: think === true ? ReasoningEffort.MEDIUM : ReasoningEffort.NONE },
    providerOptions: typeof keepAlive === "string" ? { ollama: { keep_alive: keepAlive } } : {},
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
  const text = textAt(raw, "content");
  const thinking = textAt(raw, "thinking");
  const said: PartInit[] = text === "" ? [] : [{ content: { case: "text", value: { text } } }];
  const thought: PartInit[] = thinking === "" ? [] : [{ content: { case: "reasoning", value: { text: thinking } } }];
  if (role !== Role.TOOL) return { role, parts: [...thought, ...said, ...listAt(raw, "tool_calls").map(toCall)] };
  // Older requests name no call.
  const value = { callId: textAt(raw, "tool_call_id") || "none", name: textAt(raw, "tool_name"), content: said };
  return { role, parts: [{ content: { case: "toolResult", value } }] };
}

function toCall(raw: Raw): PartInit {
  const value = {
    callId: textAt(raw, "id"),
    name: textAt(raw, "function", "name"),
    argumentsJson: JSON.stringify(at(raw, "function", "arguments")),
  };
  return { content: { case: "toolCall", value } };
}
