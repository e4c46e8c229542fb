import { expect, it } from "vitest";
import { dialectIds } from "./compatible/dialects.ts";
import { createProvider, providerKinds } from "./registry.ts";

it("names the known kinds when a kind is unknown", () => {
  expect(() => createProvider({ id: "x", kind: "opnai" })).toThrow(
    /^provider "x": unknown kind "opnai"; known: .*openai/,
  );
  expect(() => createProvider({ id: "x", kind: "constructor" })).toThrow(/unknown kind/);
  expect(providerKinds).toContain("openai-compatible");
});

it("names the known dialects when a dialect is unknown", () => {
  const settings = { id: "x", kind: "openai-compatible", dialect: "vlm", baseUrl: "http://h" };
  expect(() => createProvider(settings)).toThrow(/^unknown dialect "vlm"; known: generic, vllm/);
});

it("makes a provider of every dialect, named as OpenTelemetry names it", () => {
  const names = dialectIds.map((dialect) => [
    dialect,
    createProvider({ id: "mine", kind: "openai-compatible", dialect, baseUrl: "http://h" }).name,
  ]);
  expect(Object.fromEntries(names)).toMatchObject({
    generic: "mine",
    vllm: "vllm",
    groq: "groq",
    deepseek: "deepseek",
    xai: "x_ai",
    perplexity: "perplexity",
  });
});

it.each([
  [{ kind: "openai", api: "chats" }, /api "chats" is not known; known: chat, responses$/],
  [{ kind: "openai-compatible" }, /dialect "generic" needs a base_url$/],
  [{ kind: "openai", baseUrl: "host" }, /^base_url is not an absolute address/],
])("refuses %j in one line", (settings, message) => {
  expect(() => createProvider({ id: "x", ...settings })).toThrow(message);
});
