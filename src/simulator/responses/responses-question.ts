import { asArray, asBoolean, asNumber, asObject, asString, type JsonRecord } from "../../wire/json.ts";
import { countInput, type OfferedTool, type Question, type ToolChoice } from "../question.ts";
import { WireProblem } from "../wire.ts";

/** Reads `POST /responses` (OpenAI API reference, "Create a model response"). */
export function readResponsesQuestion(body: JsonRecord): Question {
  const model = asString(body["model"]);
  if (model === undefined || model === "") throw new WireProblem("Missing required parameter: 'model'.");
  const items = itemsOf(body["input"]);
  if (items.length === 0) throw new WireProblem("Missing required parameter: 'input'.");
  const instructions = asString(body["instructions"]);
  const texts = [...(instructions === undefined ? [] : [instructions]), ...items.flatMap(textsOf)];
  const last = items.findLast(({ role }) => role === "user");
  return {
    model,
    lastText: last === undefined ? "" : textsOf(last).join(" "),
    inputTokens: countInput(
      texts,
      items.reduce((count, item) => count + countMedia(item), 0),
    ),
    bringsToolResults: items.at(-1)?.["type"] === "function_call_output",
    tools: (asArray(body["tools"]) ?? []).flatMap(readTool),
    toolChoice: readToolChoice(body["tool_choice"]),
    parallelTools: asBoolean(body["parallel_tool_calls"]) ?? true,
    jsonSchema: readJsonSchema(asObject(asObject(body["text"])?.["format"])),
    reasoning: !["none", ""].includes(asString(asObject(body["reasoning"])?.["effort"]) ?? ""),
    maxTokens: asNumber(body["max_output_tokens"]),
    stop: [],
  };
}

function itemsOf(input: unknown): readonly JsonRecord[] {
  if (typeof input === "string") return [{ role: "user", content: input }];
  return (asArray(input) ?? []).map((item) => asObject(item) ?? {});
}

/** Text of a message, or of the output of a function. */
function textsOf(item: JsonRecord): readonly string[] {
  const content = item["content"] ?? item["output"];
  if (typeof content === "string") return [content];
  return (asArray(content) ?? [])
    .map((part) => asString(asObject(part)?.["text"]))
    .filter((text) => text !== undefined);
}

function countMedia({ content }: JsonRecord): number {
  const types = (asArray(content) ?? []).map((part) => asObject(part)?.["type"]);
  return types.filter((type) => type === "input_image" || type === "input_file").length;
}

function readTool(tool: unknown): readonly OfferedTool[] {
  const definition = asObject(tool);
  const name = asString(definition?.["name"]);
  if (definition?.["type"] !== "function" || name === undefined) return [];
  return [{ name, schema: definition["parameters"] ?? {} }];
}

function readToolChoice(choice: unknown): ToolChoice {
  if (choice === "none" || choice === "required") return { kind: choice };
  const name = asString(asObject(choice)?.["name"]);
  return name === undefined ? { kind: "auto" } : { kind: "named", name };
}

function readJsonSchema(format: JsonRecord | undefined): unknown {
  if (format?.["type"] === "json_object") return {};
  return format?.["type"] === "json_schema" ? (format["schema"] ?? {}) : undefined;
}
