import { asBoolean, type JsonRecord } from "../../wire/json.ts";
import { sseEvent } from "../sse-frame.ts";
import {
  type Asked,
  type FaultAnswer,
  type Route,
  retryAfterHeader,
  type SimulatedWire,
  type WireFault,
} from "../wire.ts";
import { toMessage, toMessageFrames } from "./messages-answer.ts";
import { readMessagesQuestion } from "./messages-question.ts";

/** Anthropic's Messages API. */
export const anthropicWire: SimulatedWire = {
  name: "anthropic",
  route,
  read,
  count: (body) => JSON.stringify({ input_tokens: readMessagesQuestion(body, false).inputTokens }),
  fault,
  listModels,
};

function route(method: string, path: string): Route | undefined {
  if (method === "GET" && path.endsWith("/models")) return { kind: "models" };
  if (method !== "POST") return undefined;
  if (path.endsWith("/messages")) return { kind: "chat" };
  if (path.endsWith("/messages/count_tokens")) return { kind: "count" };
  // On Vertex AI the model stands in the path, and whether to stream too.
  const onVertex = /\/publishers\/anthropic\/models\/([^/:]+):(rawPredict|streamRawPredict)$/.exec(path);
  const model = onVertex?.[1];
  if (model === undefined) return undefined;
  return { kind: "chat", model: decodeURIComponent(model), stream: onVertex?.[2] === "streamRawPredict" };
}

function read(body: JsonRecord, { model, stream }: Route): Asked {
  return {
    question: readMessagesQuestion(model === undefined ? body : { ...body, model }, true),
    stream: stream ?? asBoolean(body["stream"]) ?? false,
    contentType: { unary: "application/json", stream: "text/event-stream; charset=utf-8" },
    toUnary: toMessage,
    toFrames: toMessageFrames,
    toErrorFrame: () =>
      sseEvent({ type: "error", error: { type: "overloaded_error", message: "Overloaded" } }, "error"),
  };
}

/** Anthropic API reference, "Errors". */
const typesByStatus: Readonly<Record<number, string>> = {
  400: "invalid_request_error",
  401: "authentication_error",
  402: "billing_error",
  403: "permission_error",
  404: "not_found_error",
  413: "request_too_large",
  429: "rate_limit_error",
  500: "api_error",
  504: "timeout_error",
  529: "overloaded_error",
};

function fault(given: WireFault): FaultAnswer {
  const type = typesByStatus[given.status] ?? (given.status < 500 ? "invalid_request_error" : "api_error");
  const requestId = "req_simulator";
  const body = JSON.stringify({ type: "error", error: { type, message: given.message }, request_id: requestId });
  return { headers: { "request-id": requestId, ...retryAfterHeader(given) }, body };
}

function listModels(models: readonly string[]): string {
  const data = models.map((id) => ({ type: "model", id, display_name: id, created_at: "2026-01-01T00:00:00Z" }));
  return JSON.stringify({ data, has_more: false, first_id: models[0] ?? null, last_id: models.at(-1) ?? null });
}
