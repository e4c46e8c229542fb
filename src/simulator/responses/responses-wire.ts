import { asBoolean, type JsonRecord } from "../../wire/json.ts";
import { listOpenAiModels } from "../openai/list-models.ts";
import { toOpenAiError } from "../openai/openai-error.ts";
import { sseEvent } from "../sse-frame.ts";
import { type Asked, type SimulatedWire, WireProblem } from "../wire.ts";
import { toResponse, toResponseFrames } from "./responses-answer.ts";
import { readResponsesQuestion } from "./responses-question.ts";

/** OpenAI's Responses API. */
export const responsesWire: SimulatedWire = {
  name: "responses",
  route: (method, path) => (method === "POST" && path.endsWith("/responses") ? { kind: "chat" } : undefined),
  read,
  count: () => {
    throw new WireProblem("this API does not count tokens");
  },
  fault: toOpenAiError,
  listModels: listOpenAiModels,
};

function read(body: JsonRecord): Asked {
  return {
    question: readResponsesQuestion(body),
    stream: asBoolean(body["stream"]) ?? false,
    contentType: { unary: "application/json", stream: "text/event-stream; charset=utf-8" },
    toUnary: toResponse,
    toFrames: toResponseFrames,
    toErrorFrame: () => {
      const error = {
        code: "server_error",
        message: "The server had an error while processing your request.",
        param: null,
      };
      return sseEvent({ type: "error", sequence_number: 999, ...error }, "error");
    },
  };
}
