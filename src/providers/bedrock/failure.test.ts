import fc from "fast-check";
import { expect, test } from "vitest";
import { ProviderFailure } from "../../domain/provider-failure.ts";
import { toFailure, toFailureOfException } from "./failure.ts";

function fail(status: number, type: string, message = "m", headers = {}) {
  const tail = `${type}:http://internal.amazon.com/coral/com.amazon.bedrock/`;
  return toFailure(status, { "x-amzn-errortype": tail, ...headers }, Buffer.from(JSON.stringify({ message })));
}

test.each([
  [400, "ValidationException", "rejected-request"],
  [400, "ServiceQuotaExceededException", "quota-exhausted"],
  [403, "AccessDeniedException", "credentials-rejected"],
  [403, "UnrecognizedClientException", "credentials-rejected"],
  [403, "ExpiredTokenException", "credentials-rejected"],
  [404, "ResourceNotFoundException", "rejected-request"],
  [408, "ModelTimeoutException", "timeout"],
  [424, "ModelErrorException", "unavailable"],
  [429, "ThrottlingException", "rate-limited"],
  [429, "ModelNotReadyException", "overloaded"],
  [500, "InternalServerException", "unavailable"],
  [503, "ServiceUnavailableException", "overloaded"],
])("%i %s", (status, type, kind) => {
  const failure = fail(status, type, "m", { "x-amzn-requestid": "r" });
  expect(failure).toMatchObject({
    kind,
    facts: { httpStatus: status, providerCode: type, providerMessage: "m", providerRequestId: "r" },
  });
});

test.each([
  ["Input is too long for requested model.", "context-length"],
  ["The model returned the following errors: prompt is too long: 210000 tokens > 200000 maximum", "context-length"],
  ["The model returned the following errors: Could not process image", "media-unreadable"],
  ["The model returned the following errors: image exceeds 5 MB maximum", "payload-too-large"],
  ["Malformed input request", "rejected-request"],
])("a validation error tells its cause in words: %s", (message, kind) => {
  expect(fail(400, "ValidationException", message).kind).toBe(kind);
});

test("a prompt over the window says how far, where the model does", () => {
  const { facts } = fail(400, "ValidationException", "prompt is too long: 210000 tokens > 200000 maximum");
  expect(facts).toMatchObject({ contextActual: 210_000, contextLimit: 200_000 });
});

test("without a type the status speaks", () => {
  expect(toFailure(429, {}, Buffer.from('{"message":"slow down"}')).kind).toBe("rate-limited");
  expect(toFailure(502, {}, Buffer.from("<html>Bad gateway</html>"))).toMatchObject({
    kind: "unavailable",
    facts: { providerMessage: undefined },
  });
});

test.each([
  ["throttlingException", "rate-limited"],
  ["modelStreamErrorException", "unavailable"],
  ["modelTimeoutException", "timeout"],
  ["serviceUnavailableException", "overloaded"],
  ["internalServerException", "unavailable"],
  ["newException", "unavailable"],
])("a frame of a stream says %s", (name, kind) => {
  const failure = toFailureOfException({ name, data: '{"message":"m"}', origin: "exception" });
  expect(failure).toMatchObject({ kind, facts: { providerMessage: "m" } });
});

test("the model's own words are kept beside Bedrock's", () => {
  const data = JSON.stringify({ message: "failed", originalStatusCode: 500, originalMessage: "out of memory" });
  const failure = toFailureOfException({ name: "modelStreamErrorException", data, origin: "exception" });
  expect(failure.facts.providerMessage).toBe("failed out of memory");
});

test("any status and any bytes give a failure", () => {
  fc.assert(
    fc.property(fc.integer({ min: 300, max: 599 }), fc.uint8Array(), fc.string(), (status, body, type) => {
      expect(toFailure(status, { "x-amzn-errortype": type }, body)).toBeInstanceOf(ProviderFailure);
    }),
  );
});
