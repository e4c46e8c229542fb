import { asBoolean, type JsonRecord } from "../../wire/json.ts";
import { sseEvent } from "../sse-frame.ts";
import type { Asked, Route, SimulatedWire, WireFault } from "../wire.ts";
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
  if (method === "POST" && path.endsWith("/messages")) return { kind: "chat" };
  if (method === "POST" && path.endsWith("/messages/count_tokens")) return { kind: "count" };
  if (method === "GET" && path.endsWith("/models")) return { kind: "models" };
  return undefined;
}

function read(body: JsonRecord): Asked {
  return {
    question: readMessagesQuestion(body, true),
    stream: asBoolean(body["stream"]) ?? false,
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

function fault({ status, message }: WireFault): { headers: Record<string, string>; body: string } {
  const type = typesByStatus[status] ?? (status < 500 ? "invalid_request_error" : "api_error");
  const requestId = "req_simulator";
  const body = JSON.stringify({ type: "error", error: { type, message }, request_id: requestId });
  return { headers: { "request-id": requestId }, body };
}

function listModels(models: readonly string[]): string {
  const data = models.map((id) => ({ type: "model", id, display_name: id, created_at: "2026-01-01T00:00:00Z" }));
  return JSON.stringify({ data, has_more: false, first_id: models[0] ?? null, last_id: models.at(-1) ?? null });
}
