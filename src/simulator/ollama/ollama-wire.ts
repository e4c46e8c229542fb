import { asArray, asBoolean, asNumber, asObject, asString, type JsonRecord } from "../../wire/json.ts";
import { readChatQuestion } from "../openai/chat-question.ts";
import { mediaTokens, type Question } from "../question.ts";
import {
  type Asked,
  type FaultAnswer,
  type Route,
  retryAfterHeader,
  type SimulatedWire,
  type WireFault,
  WireProblem,
} from "../wire.ts";
import { toLine, toOllamaChat, toOllamaFrames } from "./ollama-answer.ts";
import { readOllamaEmbed } from "./ollama-embed.ts";

/** Ollama's own API, `/api/chat`. */
export const ollamaWire: SimulatedWire = {
  name: "ollama",
  route,
  read,
  count: () => {
    throw new WireProblem("this API does not count tokens");
  },
  fault,
  listModels: (models) => JSON.stringify({ models: models.map((name) => ({ name, model: name })) }),
};

function route(method: string, path: string): Route | undefined {
  if (method === "POST" && path.endsWith("/api/chat")) return { kind: "chat" };
  if (method === "POST" && path.endsWith("/api/embed")) return { kind: "chat", operation: "embed" };
  if (method === "GET" && path.endsWith("/api/tags")) return { kind: "models" };
  return undefined;
}

/** It streams unless it is told not to. */
function read(body: JsonRecord, { operation }: Route): Asked {
  if (operation === "embed") return readOllamaEmbed(body);
  return {
    question: readOllamaQuestion(body),
    stream: asBoolean(body["stream"]) ?? true,
    contentType: { unary: "application/json; charset=utf-8", stream: "application/x-ndjson" },
    toUnary: toOllamaChat,
    toFrames: toOllamaFrames,
    toErrorFrame: () => toLine({ error: "an error was encountered while running the model" }, false),
  };
}

/** Messages and tools are nearly OpenAI's; images stand beside the text, settings in `options`. */
function readOllamaQuestion(body: JsonRecord): Question {
  const options = asObject(body["options"]) ?? {};
  const question = readChatQuestion({ ...body, stop: options["stop"] });
  const images = (asArray(body["messages"]) ?? []).reduce<number>(
    (count, message) => count + (asArray(asObject(message)?.["images"])?.length ?? 0),
    0,
  );
  const limit = asNumber(options["num_predict"]);
  return {
    ...question,
    inputTokens: question.inputTokens + images * mediaTokens,
    jsonSchema: body["format"] === "json" ? {} : asObject(body["format"]),
    reasoning: body["think"] === true || asString(body["think"]) !== undefined,
    // -1 is "without end".
    maxTokens: limit !== undefined && limit >= 0 ? limit : undefined,
  };
}

function fault(given: WireFault): FaultAnswer {
  return { headers: retryAfterHeader(given), body: JSON.stringify({ error: given.message }) };
}
