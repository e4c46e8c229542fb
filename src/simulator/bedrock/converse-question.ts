import { asArray, asNumber, asObject, asString, type JsonRecord, parseJson } from "../../wire/json.ts";
import { countInput, type OfferedTool, type Question, type ToolChoice } from "../question.ts";
import { WireProblem } from "../wire.ts";

/** Reads `Converse` (Amazon Bedrock API reference). */
export function readConverseQuestion(body: JsonRecord, model: string): Question {
  const messages = objectsOf(body["messages"]);
  if (messages.length === 0) throw new WireProblem("The conversation must have at least one message.");
  const blocks = [...objectsOf(body["system"]), ...messages.flatMap(({ content }) => objectsOf(content))];
  const inner = blocks.flatMap((block) => objectsOf(asObject(block["toolResult"])?.["content"]));
  const last = messages.findLast(({ role }) => role === "user");
  const inference = asObject(body["inferenceConfig"]);
  const toolConfig = asObject(body["toolConfig"]);
  const extra = asObject(body["additionalModelRequestFields"]);
  return {
    model,
    lastText: textsOf(objectsOf(last?.["content"])).join(" "),
    inputTokens: countInput(textsOf([...blocks, ...inner]), [...blocks, ...inner].filter(isMedium).length),
    bringsToolResults: objectsOf(messages.at(-1)?.["content"]).some((block) => "toolResult" in block),
    tools: objectsOf(toolConfig?.["tools"]).flatMap(readTool),
    toolChoice: readToolChoice(asObject(toolConfig?.["toolChoice"])),
    parallelTools: true,
    jsonSchema: readJsonSchema(body),
    reasoning: ["enabled", "adaptive"].includes(asString(asObject(extra?.["thinking"])?.["type"]) ?? ""),
    maxTokens: asNumber(inference?.["maxTokens"]),
    stop: (asArray(inference?.["stopSequences"]) ?? []).map(asString).filter((sequence) => sequence !== undefined),
  };
}

function objectsOf(list: unknown): readonly JsonRecord[] {
  return (asArray(list) ?? []).map((element) => asObject(element) ?? {});
}

/** Text, and JSON that a tool gave as such. */
function textsOf(blocks: readonly JsonRecord[]): readonly string[] {
  return blocks.flatMap(({ text, json }) => {
    if (typeof text === "string") return [text];
    return json === undefined ? [] : [JSON.stringify(json)];
  });
}

function isMedium(block: JsonRecord): boolean {
  return "image" in block || "document" in block || "video" in block;
}

function readTool(tool: JsonRecord): readonly OfferedTool[] {
  const spec = asObject(tool["toolSpec"]);
  const name = asString(spec?.["name"]);
  return name === undefined ? [] : [{ name, schema: asObject(spec?.["inputSchema"])?.["json"] ?? {} }];
}

function readToolChoice(choice: JsonRecord | undefined): ToolChoice {
  if (choice !== undefined && "any" in choice) return { kind: "required" };
  const name = asString(asObject(choice?.["tool"])?.["name"]);
  return name === undefined ? { kind: "auto" } : { kind: "named", name };
}

/** The schema is JSON in a string there. */
function readJsonSchema(body: JsonRecord): unknown {
  const format = asObject(asObject(body["outputConfig"])?.["textFormat"]);
  if (format?.["type"] !== "json_schema") return undefined;
  const schema = asString(asObject(asObject(format["structure"])?.["jsonSchema"])?.["schema"]);
  if (schema === undefined) return {};
  try {
    return parseJson(schema);
  } catch {
    throw new WireProblem("The JSON schema is not valid JSON.");
  }
}
