import { asBoolean, asNumber, asObject, type JsonRecord } from "../../wire/json.ts";
import { sseEvent } from "../sse-frame.ts";
import { type Asked, type Route, type SimulatedWire, WireProblem } from "../wire.ts";
import { type ChatOptions, toChatCompletion, toChatFrames } from "./chat-answer.ts";
import { readChatQuestion } from "./chat-question.ts";
import { listOpenAiModels } from "./list-models.ts";
import { toOpenAiError } from "./openai-error.ts";
import { openAiOperationRoute, readOpenAiOperation } from "./openai-operations.ts";

/** OpenAI's chat completions, which half of the industry speaks, and the operations beside them. */
export const openAiWire: SimulatedWire = {
  name: "openai",
  route,
  read,
  count: () => {
    throw new WireProblem("this API does not count tokens");
  },
  fault: toOpenAiError,
  listModels: listOpenAiModels,
};

/** Whatever stands before the last words: "/v1", "/openai/deployments/NAME" as on Azure, or nothing. */
function route(method: string, path: string): Route | undefined {
  if (method === "POST" && path.endsWith("/chat/completions")) return { kind: "chat" };
  if (method === "POST") return openAiOperationRoute(path);
  if (method === "GET" && (path.endsWith("/v1/models") || path === "/models")) return { kind: "models" };
  return undefined;
}

function read(body: JsonRecord, { operation }: Route): Asked {
  if (operation !== undefined) return readOpenAiOperation(operation, body);
  const stream = asBoolean(body["stream"]) ?? false;
  const options: ChatOptions = {
    choices: Math.min(Math.max(1, asNumber(body["n"]) ?? 1), 128),
    topLogprobs: body["logprobs"] === true ? Math.min(asNumber(body["top_logprobs"]) ?? 0, 20) : undefined,
    includeUsage: !stream || asObject(body["stream_options"])?.["include_usage"] === true,
  };
  return {
    question: readChatQuestion(body),
    stream,
    contentType: { unary: "application/json", stream: "text/event-stream; charset=utf-8" },
    toUnary: (script) => toChatCompletion(script, options),
    toFrames: (script) => toChatFrames(script, options),
    toErrorFrame: () => {
      const message = "The server had an error while processing your request.";
      return sseEvent({ error: { message, type: "server_error", param: null, code: null } });
    },
  };
}
