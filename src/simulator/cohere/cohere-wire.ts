import { asArray, asBoolean, asObject, asString, type JsonRecord } from "../../wire/json.ts";
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
import { readCohereEmbed, readCohereRerank } from "./cohere-operations.ts";

/** Cohere's API, version 2. */
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
  if (method === "POST" && path.endsWith("/v2/embed")) return { kind: "chat", operation: "embed" };
  if (method === "POST" && path.endsWith("/v2/rerank")) return { kind: "chat", operation: "rerank" };
  if (method === "GET" && path.endsWith("/models")) return { kind: "models" };
  return undefined;
}

function read(body: JsonRecord, { operation }: Route): Asked {
  if (operation === "embed") return readCohereEmbed(body, asString(body["model"]));
  if (operation === "rerank") return readCohereRerank(body, asString(body["model"]));
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
