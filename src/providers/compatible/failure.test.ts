import { expect, it } from "vitest";
import { toFailure, toFailureInside } from "./failure.ts";

it.each([
  [429, { error: { code: "insufficient_quota", message: "You exceeded your current quota" } }, "quota-exhausted"],
  [429, { error: { type: "tokens", code: "rate_limit_exceeded", message: "Rate limit reached" } }, "rate-limited"],
  [429, { error: { message: "The engine is currently overloaded", type: "engine_overloaded_error" } }, "overloaded"],
  [402, { error: { message: "Insufficient Balance" } }, "quota-exhausted"],
  [400, { error: { code: "context_length_exceeded", message: "m" } }, "context-length"],
  [400, { error: { code: "content_filter", message: "m" } }, "content-filtered"],
  [
    400,
    { error: { message: "Failed to download image from https://x", type: "invalid_request_error" } },
    "media-unreadable",
  ],
  [400, { code: "invalid-argument", error: "Incorrect API key provided" }, "credentials-rejected"],
  [400, { error: { message: "Unsupported parameter", code: "unsupported_parameter" } }, "rejected-request"],
  [401, { detail: "Unauthorized" }, "credentials-rejected"],
  [404, { error: "no such model" }, "rejected-request"],
  [408, {}, "timeout"],
  [413, { error: { message: "too large" } }, "payload-too-large"],
  [500, { error: { message: "context length exceeded, they say" } }, "unavailable"],
  [503, {}, "overloaded"],
  [504, {}, "timeout"],
  [529, {}, "overloaded"],
  [302, {}, "bad-response"],
])("status %i with %j is %s", (status, body, kind) => {
  expect(toFailure(status, {}, bytes(JSON.stringify(body))).kind).toBe(kind);
});

it.each([
  [
    "This model's maximum context length is 128000 tokens. However, your messages resulted in 131072 tokens.",
    128_000,
    131_072,
  ],
  [
    "This endpoint's maximum context length is 200000 tokens. However, you requested about 2500021 tokens",
    200_000,
    2_500_021,
  ],
  ["This model's maximum prompt length is 131072 but the request contains 200000 tokens.", 131_072, 200_000],
  ["Please reduce the length of the messages or completion. Current length is 9000 while limit is 8192", 8192, 9000],
  ["Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096", 4096, undefined],
])("reads limit and length from %j", (message, contextLimit, contextActual) => {
  const { kind, facts } = toFailure(400, {}, bytes(JSON.stringify({ error: { message } })));
  expect([kind, facts.contextLimit, facts.contextActual]).toEqual(["context-length", contextLimit, contextActual]);
});

it("reads llama.cpp's limit and length from their own fields", () => {
  const error = { code: 400, type: "exceed_context_size_error", message: "m", n_ctx: 4096, n_prompt_tokens: 5000 };
  expect(toFailure(400, {}, bytes(JSON.stringify({ error }))).facts).toMatchObject({
    contextLimit: 4096,
    contextActual: 5000,
  });
});

it.each([
  [{ "retry-after": "3" }, "m", 3000],
  [{ "x-ratelimit-reset-tokens": "8s", "x-ratelimit-remaining-tokens": "0" }, "m", 8000],
  [{}, "Please try again in 1.4s.", 1400],
  [{}, "Please try again in 6m0s.", 360_000],
  [{}, "later", undefined],
])("finds the wait in headers %j and text %j", (headers, message, expected) => {
  expect(toFailure(429, headers, bytes(JSON.stringify({ error: { message } }))).facts.retryAfterMs).toBe(expected);
});

it("does not take the rate-limit headers of another error for a wait", () => {
  expect(toFailure(400, { "x-ratelimit-reset-tokens": "8s" }, bytes("{}")).facts.retryAfterMs).toBeUndefined();
});

it.each([
  ["", undefined],
  ["<html><head><title>502 Bad Gateway</title></head><body>x</body></html>", "502 Bad Gateway"],
  ["<html><body>no title</body></html>", undefined],
  ["upstream connect error", "upstream connect error"],
  ['{"error":{"message":"cut in the mid', '{"error":{"message":"cut in the mid'],
  ['{"error":{"message":"bad key sk-abcdefghijkl1234"}}', "bad key ***"],
  ['{"detail":[{"loc":["body"],"msg":"field required"}]}', '[{"loc":["body"],"msg":"field required"}]'],
])("shows of the body %j what is fit to be shown", (body, expected) => {
  expect(toFailure(502, {}, bytes(body)).facts.providerMessage).toBe(expected);
});

it.each([
  [{ error: { message: "m", type: "server_error" } }, "unavailable"],
  [{ error: { message: "m", code: 429 } }, "rate-limited"],
  [{ error: { message: "m", status_code: 400, code: "tool_use_failed" } }, "rejected-request"],
  [{ error: { message: "m", type: "rate_limit_error" } }, "rate-limited"],
  [{ error: "Request failed during generation", error_type: "generation" }, "unavailable"],
  [{ type: "error", code: "context_length_exceeded", message: "m" }, "context-length"],
  [{ error: 7 }, "unavailable"],
])("an error inside an answer: %j is %s", (envelope, kind) => {
  expect(toFailureInside(envelope).kind).toBe(kind);
});

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
