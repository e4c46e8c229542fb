import { asArray, asBoolean, asNumber, asObject, asString, type JsonRecord } from "../../wire/json.ts";
import { countInput, type OfferedTool, type Question, type ToolChoice } from "../question.ts";
import { WireProblem } from "../wire.ts";

/** Reads `POST /chat/completions` (OpenAI API reference, "Create chat completion"). Mistral's request is alike. */
export function readChatQuestion(body: JsonRecord): Question {
  const model = asString(body["model"]);
  if (model === undefined || model === "") throw new WireProblem("you must provide a model parameter");
  const messages = asArray(body["messages"])?.map((message) => asObject(message) ?? {});
  if (messages === undefined || messages.length === 0) throw new WireProblem("'messages' must not be empty");
  const texts = messages.flatMap(({ content }) => textsOf(content));
  const last = messages.findLast(({ role }) => role === "user");
  return {
    model,
    lastText: textsOf(last?.["content"]).join(" "),
    inputTokens: countInput(
      texts,
      messages.reduce((count, { content }) => count + countMedia(content), 0),
    ),
    bringsToolResults: messages.at(-1)?.["role"] === "tool",
    tools: (asArray(body["tools"]) ?? []).flatMap(readTool),
    toolChoice: readToolChoice(body["tool_choice"]),
    parallelTools: asBoolean(body["parallel_tool_calls"]) ?? true,
    jsonSchema: readJsonSchema(asObject(body["response_format"])),
    reasoning: asString(body["reasoning_effort"]) !== undefined && body["reasoning_effort"] !== "none",
    maxTokens: asNumber(body["max_completion_tokens"]) ?? asNumber(body["max_tokens"]),
    stop: readStop(body["stop"]),
  };
}

function textsOf(content: unknown): readonly string[] {
  if (typeof content === "string") return [content];
  return (asArray(content) ?? [])
    .map((part) => asString(asObject(part)?.["text"]))
    .filter((text) => text !== undefined);
}

const mediaTypes: ReadonlySet<unknown> = new Set(["image_url", "input_audio", "file", "document_url", "video_url"]);

function countMedia(content: unknown): number {
  return (asArray(content) ?? []).filter((part) => mediaTypes.has(asObject(part)?.["type"])).length;
}

function readTool(tool: unknown): readonly OfferedTool[] {
  const definition = asObject(asObject(tool)?.["function"]);
  const name = asString(definition?.["name"]);
  return name === undefined ? [] : [{ name, schema: definition?.["parameters"] ?? {} }];
}

function readToolChoice(choice: unknown): ToolChoice {
  if (choice === "none" || choice === "required") return { kind: choice };
  // Mistral's word for "required".
  if (choice === "any") return { kind: "required" };
  const name = asString(asObject(asObject(choice)?.["function"])?.["name"]);
  return name === undefined ? { kind: "auto" } : { kind: "named", name };
}

function readJsonSchema(format: JsonRecord | undefined): unknown {
  if (format?.["type"] === "json_object") return {};
  if (format?.["type"] !== "json_schema") return undefined;
  return asObject(format["json_schema"])?.["schema"] ?? {};
}

function readStop(stop: unknown): readonly string[] {
  if (typeof stop === "string") return [stop];
  return (asArray(stop) ?? []).map(asString).filter((sequence) => sequence !== undefined);
}
