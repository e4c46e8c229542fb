import { asArray, asBoolean, asObject, type JsonRecord } from "../../wire/json.ts";
import { readChatQuestion } from "../openai/chat-question.ts";
import type { Question, ToolChoice } from "../question.ts";
import {
  type Asked,
  type FaultAnswer,
  type Route,
  retryAfterHeader,
  type SimulatedWire,
  type WireFault,
  WireProblem,
} from "../wire.ts";
import { toCohereChat, toCohereErrorFrame, toCohereFrames } from "./cohere-answer.ts";

/** Cohere's chat API, version 2. */
export const cohereWire: SimulatedWire = {
  name: "cohere",
  route,
  read,
  count: () => {
    throw new WireProblem("this API does not count the tokens of a conversation");
  },
  fault,
  listModels: (models) => JSON.stringify({ models: models.map((name) => ({ name, endpoints: ["chat"] })) }),
};

function route(method: string, path: string): Route | undefined {
  if (method === "POST" && path.endsWith("/v2/chat")) return { kind: "chat" };
  if (method === "GET" && path.endsWith("/models")) return { kind: "models" };
  return undefined;
}

function read(body: JsonRecord): Asked {
  return {
    question: readCohereQuestion(body),
    stream: asBoolean(body["stream"]) ?? false,
    contentType: { unary: "application/json", stream: "text/event-stream" },
    toUnary: toCohereChat,
    toFrames: toCohereFrames,
    toErrorFrame: toCohereErrorFrame,
  };
}

/** Messages and tools are as in OpenAI's API; the rest has names of its own. */
function readCohereQuestion(body: JsonRecord): Question {
  const stopSequences = asArray(body["stop_sequences"]);
  const question = readChatQuestion({ ...body, stop: stopSequences });
  const format = asObject(body["response_format"]);
  return {
    ...question,
    toolChoice: readToolChoice(body["tool_choice"]),
    jsonSchema: format?.["type"] === "json_object" ? (format["json_schema"] ?? format["schema"] ?? {}) : undefined,
    reasoning: asObject(body["thinking"])?.["type"] === "enabled",
  };
}

function readToolChoice(choice: unknown): ToolChoice {
  if (choice === "REQUIRED") return { kind: "required" };
  return { kind: choice === "NONE" ? "none" : "auto" };
}

function fault(given: WireFault): FaultAnswer {
  return { headers: retryAfterHeader(given), body: JSON.stringify({ message: given.message }) };
}
