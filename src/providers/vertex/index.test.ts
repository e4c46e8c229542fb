import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { CompleteRequestSchema, Role } from "../../contract.ts";
import type { HttpRequest } from "../../domain/http.ts";
import type { ProviderSettings } from "../provider.ts";
import { createVertexProvider } from "./index.ts";

const request = create(CompleteRequestSchema, {
  model: "m",
  messages: [{ role: Role.USER, parts: [{ content: { case: "text", value: { text: "Hello" } } }] }],
});

function send(settings: Partial<ProviderSettings>, model = "gemini-2.5-flash"): HttpRequest {
  const provider = createVertexProvider({ id: "vertex", kind: "vertex", project: "acme", ...settings });
  const translation = provider.chat?.toHttpRequest(request, "unary", { model, facts: {} });
  if (translation?.kind !== "request") throw new Error("no request");
  return translation.request;
}

test.each([
  [{}, "https://aiplatform.googleapis.com", "global"],
  [{ location: "europe-west4" }, "https://europe-west4-aiplatform.googleapis.com", "europe-west4"],
  [{ region: "us-east5" }, "https://us-east5-aiplatform.googleapis.com", "us-east5"],
  [{ location: "eu" }, "https://aiplatform.eu.rep.googleapis.com", "eu"],
  [{ location: "eu", baseUrl: "http://127.0.0.1:8080" }, "http://127.0.0.1:8080", "eu"],
])("%j goes to %s", (settings, origin, location) => {
  const path = `/v1/projects/acme/locations/${location}/publishers/google/models/gemini-2.5-flash:generateContent`;
  expect(send(settings)).toMatchObject({ origin, path });
});

test("Claude has its model and its version in other places than at Anthropic", () => {
  const sent = send({ publisher: "anthropic", location: "us-east5" }, "claude-opus-4-1@20250805");
  expect(sent.path).toMatch(/\/publishers\/anthropic\/models\/claude-opus-4-1@20250805:rawPredict$/);
  const body = JSON.parse(String(sent.body));
  expect(body).toMatchObject({ anthropic_version: "vertex-2023-10-16" });
  expect(body).not.toHaveProperty("model");
});

test.each([
  ['{"error":{"code":429,"message":"Quota exceeded","status":"RESOURCE_EXHAUSTED"}}', 429, "rate-limited"],
  ['{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}', 529, "overloaded"],
  [
    '{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 tokens > 8 maximum"}}',
    400,
    "context-length",
  ],
])("a publisher's failures come in its own form or in Google's: %s", (body, status, kind) => {
  const provider = createVertexProvider({ id: "vertex", kind: "vertex", project: "acme", publisher: "anthropic" });
  expect(provider.toFailure(status, {}, Buffer.from(body))).toMatchObject({ kind });
});

test("an access token goes into the authorization header", () => {
  const provider = createVertexProvider({ id: "vertex", kind: "vertex", project: "acme" });
  expect(provider.authorise(send({}), { kind: "access-token", value: "t" }, 0)).toMatchObject({
    headers: { authorization: "Bearer t" },
  });
});

test.each([
  [{ project: undefined }, /project/],
  [{ publisher: "meta" }, /publisher/],
])("settings that make no sense are refused at the start: %j", (settings, message) => {
  const all = { id: "vertex", kind: "vertex", project: "acme", ...settings };
  expect(() => createVertexProvider(all)).toThrow(message);
});

test("counting reads the count of either publisher", () => {
  const answer = (body: string) => ({ status: 200, headers: {}, body: Buffer.from(body) });
  const google = createVertexProvider({ id: "vertex", kind: "vertex", project: "acme" });
  const anthropic = createVertexProvider({ id: "vertex", kind: "vertex", project: "acme", publisher: "anthropic" });
  expect(google.countTokens?.fromHttpResponse(answer('{"totalTokens":31}'))).toBe(31);
  expect(anthropic.countTokens?.fromHttpResponse(answer('{"input_tokens":14}'))).toBe(14);
});
