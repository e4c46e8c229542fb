import { asArray, asBoolean, asNumber, asObject, asString, type JsonRecord } from "../../wire/json.ts";
import { countInput, type OfferedTool, type Question, type ToolChoice } from "../question.ts";
import { WireProblem } from "../wire.ts";

/** Reads `POST /v1/messages` (Anthropic API reference, "Create a Message"). `requireMaxTokens`: not so for a count. */
export function readMessagesQuestion(body: JsonRecord, requireMaxTokens: boolean): Question {
  const model = asString(body["model"]);
  if (model === undefined || model === "") throw new WireProblem("model: Field required");
  const messages = asArray(body["messages"])?.map((message) => asObject(message) ?? {});
  if (messages === undefined || messages.length === 0)
    throw new WireProblem("messages: at least one message is required");
  const maxTokens = asNumber(body["max_tokens"]);
  if (requireMaxTokens && maxTokens === undefined) throw new WireProblem("max_tokens: Field required");
  const contents = [body["system"], ...messages.map(({ content }) => content)];
  const last = messages.findLast(({ role }) => role === "user");
  const toolChoice = asObject(body["tool_choice"]);
  return {
    model,
    lastText: ownTextsOf(last?.["content"]).join(" "),
    inputTokens: countInput(
      contents.flatMap(textsOf),
      contents.reduce<number>((count, content) => count + countMedia(content), 0),
    ),
    bringsToolResults: blocksOf(messages.at(-1)?.["content"]).some(({ type }) => type === "tool_result"),
    tools: (asArray(body["tools"]) ?? []).flatMap(readTool),
    toolChoice: readToolChoice(toolChoice),
    parallelTools: asBoolean(toolChoice?.["disable_parallel_tool_use"]) !== true,
    jsonSchema: readJsonSchema(body),
    reasoning: ["enabled", "adaptive"].includes(asString(asObject(body["thinking"])?.["type"]) ?? ""),
    maxTokens,
    stop: (asArray(body["stop_sequences"]) ?? []).map(asString).filter((sequence) => sequence !== undefined),
  };
}

function blocksOf(content: unknown): readonly JsonRecord[] {
  return (asArray(content) ?? []).map((block) => asObject(block) ?? {});
}

function ownTextsOf(content: unknown): readonly string[] {
  if (typeof content === "string") return [content];
  return blocksOf(content)
    .map(({ text }) => asString(text))
    .filter((text) => text !== undefined);
}

/** Its own text and that of the tool results in it. */
function textsOf(content: unknown): readonly string[] {
  const results = blocksOf(content).filter(({ type }) => type === "tool_result");
  return [...ownTextsOf(content), ...results.flatMap((result) => ownTextsOf(result["content"]))];
}

function countMedia(content: unknown): number {
  return blocksOf(content).filter(({ type }) => type === "image" || type === "document").length;
}

function readTool(tool: unknown): readonly OfferedTool[] {
  const definition = asObject(tool);
  const name = asString(definition?.["name"]);
  // A server tool has a type of its own and no schema: the provider runs it.
  if (name === undefined || definition?.["input_schema"] === undefined) return [];
  return [{ name, schema: definition["input_schema"] }];
}

function readToolChoice(choice: JsonRecord | undefined): ToolChoice {
  const name = asString(choice?.["name"]);
  if (choice?.["type"] === "tool" && name !== undefined) return { kind: "named", name };
  if (choice?.["type"] === "any") return { kind: "required" };
  if (choice?.["type"] === "none") return { kind: "none" };
  return { kind: "auto" };
}

/** `output_config.format`, and `output_format` as it was called in the beta. */
function readJsonSchema(body: JsonRecord): unknown {
  const format = asObject(asObject(body["output_config"])?.["format"]) ?? asObject(body["output_format"]);
  return format?.["type"] === "json_schema" ? (format["schema"] ?? {}) : undefined;
}
