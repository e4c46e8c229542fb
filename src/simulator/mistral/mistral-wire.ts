import { asBoolean, type JsonRecord } from "../../wire/json.ts";
import { readChatQuestion } from "../openai/chat-question.ts";
import { readEmbeddings } from "../openai/embeddings.ts";
import { listOpenAiModels } from "../openai/list-models.ts";
import { readModerations } from "../openai/moderations.ts";
import { sseEvent } from "../sse-frame.ts";
import {
  type Asked,
  type FaultAnswer,
  type Route,
  retryAfterHeader,
  type SimulatedWire,
  type WireFault,
  WireProblem,
} from "../wire.ts";
import { toMistralCompletion, toMistralFrames } from "./mistral-answer.ts";

/** Mistral's API. Its paths are OpenAI's, so it answers under its prefix only. */
export const mistralWire: SimulatedWire = {
  name: "mistral",
  route,
  read,
  count: () => {
    throw new WireProblem("this API does not count tokens");
  },
  fault,
  listModels: listOpenAiModels,
};

function route(method: string, path: string): Route | undefined {
  if (method === "POST" && path.endsWith("/chat/completions")) return { kind: "chat" };
  if (method === "POST" && path.endsWith("/embeddings")) return { kind: "chat", operation: "embeddings" };
  if (method === "POST" && path.endsWith("/moderations")) return { kind: "chat", operation: "moderations" };
  if (method === "GET" && path.endsWith("/models")) return { kind: "models" };
  return undefined;
}

function read(body: JsonRecord, { operation }: Route): Asked {
  if (operation === "embeddings") return readEmbeddings({ ...body, dimensions: body["output_dimension"] });
  if (operation === "moderations") return readModerations(body, false);
  return {
    question: {
      ...readChatQuestion(body),
      reasoning: body["prompt_mode"] === "reasoning" || "reasoning_effort" in body,
    },
    stream: asBoolean(body["stream"]) ?? false,
    contentType: { unary: "application/json", stream: "text/event-stream; charset=utf-8" },
    toUnary: toMistralCompletion,
    toFrames: toMistralFrames,
    toErrorFrame: () => sseEvent(toError({ status: 500, message: "Internal server error" })),
  };
}

const wordsByStatus: Readonly<Record<number, { readonly type: string; readonly code: string }>> = {
  400: { type: "invalid_request_error", code: "3051" },
  404: { type: "invalid_model", code: "1500" },
  429: { type: "rate_limited", code: "1300" },
};

/** Two envelopes: a refused key gives `detail` alone. */
function fault(given: WireFault): FaultAnswer {
  const body = given.status === 401 ? { detail: given.message } : toError(given);
  return { headers: retryAfterHeader(given), body: JSON.stringify(body) };
}

function toError({ status, message }: WireFault): object {
  const words = wordsByStatus[status] ?? { type: "service_error", code: "3000" };
  return { object: "error", message, param: null, ...words };
}
