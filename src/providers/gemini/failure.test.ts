import fc from "fast-check";
import { expect, test } from "vitest";
import { ProviderFailure } from "../../domain/provider-failure.ts";
import { toFailure } from "./failure.ts";

function fail(status: number, error: Readonly<Record<string, unknown>>) {
  return toFailure(status, {}, Buffer.from(JSON.stringify({ error: { code: status, ...error } })));
}

function detail(type: string, members: Readonly<Record<string, unknown>>) {
  return { "@type": `type.googleapis.com/google.rpc.${type}`, ...members };
}

test.each([
  [400, "INVALID_ARGUMENT", "Please use a valid role: user, model.", "rejected-request"],
  [401, "UNAUTHENTICATED", "Request had invalid authentication credentials.", "credentials-rejected"],
  [403, "PERMISSION_DENIED", "denied", "credentials-rejected"],
  [404, "NOT_FOUND", "models/x is not found", "rejected-request"],
  [429, "RESOURCE_EXHAUSTED", "Resource exhausted.", "rate-limited"],
  [429, "RESOURCE_EXHAUSTED", "Quota exceeded for metric: x, limit: 0, model: y", "quota-exhausted"],
  [500, "INTERNAL", "An internal error has occurred.", "unavailable"],
  [503, "UNAVAILABLE", "The model is overloaded.", "overloaded"],
  [504, "DEADLINE_EXCEEDED", "too slow", "timeout"],
  [400, "INVALID_ARGUMENT", "API key expired. Please renew the API key.", "credentials-rejected"],
  [400, "INVALID_ARGUMENT", "Request payload size exceeds the limit: 20971520 bytes.", "payload-too-large"],
  [400, "INVALID_ARGUMENT", "Unable to process input image.", "media-unreadable"],
  [400, "INVALID_ARGUMENT", "Cannot fetch content from the provided URL.", "media-unreadable"],
])("%i %s %j", (status, code, message, kind) => {
  expect(fail(status, { status: code, message })).toMatchObject({
    kind,
    facts: { httpStatus: status, providerCode: code, providerMessage: message },
  });
});

test("a bad key is a 400 whose details say so", () => {
  const error = {
    status: "INVALID_ARGUMENT",
    message: "x",
    details: [detail("ErrorInfo", { reason: "API_KEY_INVALID" })],
  };
  expect(fail(400, error)).toMatchObject({ kind: "credentials-rejected", facts: { providerCode: "API_KEY_INVALID" } });
});

test.each([
  ["36s", 36_000],
  ["0.5s", 500],
  ["soon", undefined],
])("the wait stands in the details: %s", (retryDelay, retryAfterMs) => {
  const error = { status: "RESOURCE_EXHAUSTED", message: "x", details: [detail("RetryInfo", { retryDelay })] };
  expect(fail(429, error).facts.retryAfterMs).toBe(retryAfterMs);
});

test("a prompt over the window says how far", () => {
  const message = "The input token count (1250074) exceeds the maximum number of tokens allowed (1048576).";
  expect(fail(400, { status: "INVALID_ARGUMENT", message })).toMatchObject({
    kind: "context-length",
    facts: { contextActual: 1_250_074, contextLimit: 1_048_576 },
  });
});

test("a stream that cannot start fails with an array of one error", () => {
  const body = Buffer.from('[{"error":{"code":429,"message":"Resource exhausted.","status":"RESOURCE_EXHAUSTED"}}]');
  expect(toFailure(429, {}, body)).toMatchObject({
    kind: "rate-limited",
    facts: { providerMessage: "Resource exhausted." },
  });
});

test("an unknown location answers with an HTML page, of which nothing is shown", () => {
  const failure = toFailure(404, {}, Buffer.from("<!DOCTYPE html><title>Error 404</title>"));
  expect(failure.kind).toBe("rejected-request");
  expect(failure.facts.providerMessage).toBeUndefined();
});

test("any body gives a failure and never an exception", () => {
  fc.assert(
    fc.property(fc.integer({ min: 300, max: 599 }), fc.oneof(fc.json(), fc.string()), (status, body) => {
      expect(toFailure(status, {}, Buffer.from(body))).toBeInstanceOf(ProviderFailure);
    }),
  );
});
