import fc from "fast-check";
import { expect, test } from "vitest";
import { ProviderFailure } from "../../domain/provider-failure.ts";
import { toFailure } from "./failure.ts";

function fail(status: number, error: Readonly<Record<string, unknown>>, headers = {}) {
  return toFailure(status, headers, Buffer.from(JSON.stringify({ type: "error", error, request_id: "req_1" })));
}

test.each([
  [400, "invalid_request_error", "messages: at least one message is required", "rejected-request"],
  [401, "authentication_error", "invalid x-api-key", "credentials-rejected"],
  [403, "permission_error", "no permission", "credentials-rejected"],
  [404, "not_found_error", "model: x", "rejected-request"],
  [413, "request_too_large", "Request exceeds the maximum size", "payload-too-large"],
  [429, "rate_limit_error", "rate limit", "rate-limited"],
  [500, "api_error", "Internal server error", "unavailable"],
  [529, "overloaded_error", "Overloaded", "overloaded"],
  [400, "invalid_request_error", "Your credit balance is too low to access the API", "quota-exhausted"],
  [400, "invalid_request_error", "image exceeds 5 MB maximum: 6291456 bytes", "payload-too-large"],
  [400, "invalid_request_error", "Could not process image", "media-unreadable"],
  [400, "invalid_request_error", "Unable to download the file", "media-unreadable"],
])("%i %s %j", (status, type, message, kind) => {
  expect(fail(status, { type, message })).toMatchObject({
    kind,
    facts: { httpStatus: status, providerCode: type, providerMessage: message, providerRequestId: "req_1" },
  });
});

test.each([
  ["prompt is too long: 210000 tokens > 200000 maximum", 210_000, 200_000],
  ["input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease it", 210_000, 200_000],
])("a prompt over the window says how far: %s", (message, contextActual, contextLimit) => {
  const failure = fail(400, { type: "invalid_request_error", message });
  expect(failure).toMatchObject({ kind: "context-length", facts: { contextActual, contextLimit } });
});

test("the wait is that of retry-after", () => {
  expect(fail(429, { type: "rate_limit_error" }, { "retry-after": "13" }).facts.retryAfterMs).toBe(13_000);
});

test("without retry-after the wait ends when the allowance that is used up is full again, over midnight too", () => {
  const headers = {
    date: "Sun, 01 Jun 2025 23:59:50 GMT",
    "anthropic-ratelimit-requests-remaining": "49",
    "anthropic-ratelimit-requests-reset": "2025-06-02T00:05:00Z",
    "anthropic-ratelimit-input-tokens-remaining": "0",
    "anthropic-ratelimit-input-tokens-reset": "2025-06-02T00:00:03Z",
  };
  expect(fail(429, { type: "rate_limit_error" }, headers).facts.retryAfterMs).toBe(13_000);
});

test.each([
  ["<html><body>502 Bad Gateway</body></html>", 502, "unavailable"],
  ['{"error":{"message":"no such field"}}', 422, "rejected-request"],
  ['{"error":"blocked"}', 403, "credentials-rejected"],
  ["", 503, "overloaded"],
])("what a proxy in front says is read by its status: %j", (body, status, kind) => {
  expect(toFailure(status, { "request-id": "req_2" }, Buffer.from(body))).toMatchObject({
    kind,
    facts: { httpStatus: status, providerRequestId: "req_2" },
  });
});

test("any body gives a failure and never an exception", () => {
  fc.assert(
    fc.property(fc.integer({ min: 300, max: 599 }), fc.oneof(fc.json(), fc.string()), (status, body) => {
      expect(toFailure(status, {}, Buffer.from(body))).toBeInstanceOf(ProviderFailure);
    }),
  );
});
