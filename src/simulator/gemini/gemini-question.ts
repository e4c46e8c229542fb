import { asArray, asNumber, asObject, asString, type JsonRecord } from "../../wire/json.ts";
import { countInput, type OfferedTool, type Question, type ToolChoice } from "../question.ts";
import { WireProblem } from "../wire.ts";

/** Reads `models.generateContent` (Gemini API reference). */
export function readGeminiQuestion(body: JsonRecord, model: string): Question {
  const contents = objectsOf(body["contents"]);
  if (contents.length === 0) throw new WireProblem("* GenerateContentRequest.contents: contents is not specified");
  const all = [asObject(body["systemInstruction"]) ?? asObject(body["system_instruction"]) ?? {}, ...contents];
  const parts = all.flatMap((content) => objectsOf(content["parts"]));
  const last = contents.findLast(({ role }) => role !== "model");
  const settings = asObject(body["generationConfig"]) ?? {};
  const thinking = asObject(settings["thinkingConfig"]);
  const calling = asObject(asObject(body["toolConfig"])?.["functionCallingConfig"]);
  const media = parts.filter((part) => "inlineData" in part || "fileData" in part).length;
  return {
    model,
    lastText: textsOf(objectsOf(last?.["parts"])).join(" "),
    inputTokens: countInput([...textsOf(parts), ...parts.flatMap(resultTextOf)], media),
    bringsToolResults: objectsOf(contents.at(-1)?.["parts"]).some((part) => "functionResponse" in part),
    tools: objectsOf(body["tools"]).flatMap((tool) => objectsOf(tool["functionDeclarations"]).flatMap(readTool)),
    toolChoice: readToolChoice(calling),
    parallelTools: true,
    jsonSchema: readJsonSchema(settings),
    reasoning: thinking?.["includeThoughts"] === true && thinking["thinkingBudget"] !== 0,
    maxTokens: asNumber(settings["maxOutputTokens"]),
    stop: (asArray(settings["stopSequences"]) ?? []).map(asString).filter((sequence) => sequence !== undefined),
  };
}

function objectsOf(list: unknown): readonly JsonRecord[] {
  return (asArray(list) ?? []).map((element) => asObject(element) ?? {});
}

function textsOf(parts: readonly JsonRecord[]): readonly string[] {
  return parts.map(({ text }) => asString(text)).filter((text) => text !== undefined);
}

/** A function's response is JSON: its words are those of the text of it. */
function resultTextOf(part: JsonRecord): readonly string[] {
  const response = asObject(part["functionResponse"])?.["response"];
  return response === undefined ? [] : [JSON.stringify(response)];
}

function readTool(declaration: JsonRecord): readonly OfferedTool[] {
  const name = asString(declaration["name"]);
  if (name === undefined) return [];
  return [{ name, schema: declaration["parametersJsonSchema"] ?? declaration["parameters"] ?? {} }];
}

function readToolChoice(calling: JsonRecord | undefined): ToolChoice {
  if (calling?.["mode"] === "NONE") return { kind: "none" };
  if (calling?.["mode"] !== "ANY") return { kind: "auto" };
  const allowed = asArray(calling["allowedFunctionNames"]) ?? [];
  const name = asString(allowed[0]);
  return name !== undefined && allowed.length === 1 ? { kind: "named", name } : { kind: "required" };
}

function readJsonSchema(settings: JsonRecord): unknown {
  if (settings["responseMimeType"] !== "application/json") return undefined;
  return settings["responseJsonSchema"] ?? settings["responseSchema"] ?? {};
}
