import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { CompleteRequestSchema, Role } from "../../contract.ts";
import type { HttpRequest } from "../../domain/http.ts";
import { createAnthropicProvider } from "./index.ts";

const request = create(CompleteRequestSchema, {
  model: "m",
  messages: [{ role: Role.USER, parts: [{ content: { case: "text", value: { text: "Hello" } } }] }],
});

function send(baseUrl: string | undefined): HttpRequest {
  const provider = createAnthropicProvider({ id: "claude", kind: "anthropic", baseUrl });
  const translation = provider.chat?.toHttpRequest(request, "unary", { model: "claude-opus-4-8", facts: {} });
  if (translation?.kind !== "request") throw new Error("no request");
  return translation.request;
}

test.each([
  [undefined, "https://api.anthropic.com", "/v1/messages"],
  ["https://proxy.example", "https://proxy.example", "/v1/messages"],
  ["https://proxy.example/v1/", "https://proxy.example", "/v1/messages"],
  ["https://proxy.example/anthropic", "https://proxy.example", "/anthropic/v1/messages"],
])("with base_url %s requests go to %s%s", (baseUrl, origin, path) => {
  expect(send(baseUrl)).toMatchObject({ method: "POST", origin, path });
});

test("an unary request does not ask for a stream", () => {
  expect(JSON.parse(String(send(undefined).body))).not.toHaveProperty("stream");
});

test("the catalogue's limit is the default length of an answer", () => {
  const provider = createAnthropicProvider({ id: "claude", kind: "anthropic" });
  const facts = { maxOutputTokens: 64_000 };
  const translation = provider.chat?.toHttpRequest(request, "unary", { model: "claude-opus-4-8", facts });
  expect(translation?.kind === "request" && JSON.parse(String(translation.request.body))).toMatchObject({
    max_tokens: 64_000,
  });
});

test("a key and a token go into headers of their own", () => {
  const provider = createAnthropicProvider({ id: "claude", kind: "anthropic" });
  const sent = send(undefined);
  expect(provider.authorise(sent, { kind: "api-key", value: "k" }, 0)).toMatchObject({ headers: { "x-api-key": "k" } });
  expect(provider.authorise(sent, { kind: "access-token", value: "t" }, 0)).toMatchObject({
    headers: { authorization: "Bearer t" },
  });
});

test("counting reads the count, and anything else is no count", () => {
  const counting = createAnthropicProvider({ id: "claude", kind: "anthropic" }).countTokens;
  const answer = (body: string) => ({ status: 200, headers: {}, body: Buffer.from(body) });
  expect(counting?.fromHttpResponse(answer('{"input_tokens":14}'))).toBe(14);
  expect(() => counting?.fromHttpResponse(answer("{}"))).toThrow(expect.objectContaining({ kind: "bad-response" }));
});
