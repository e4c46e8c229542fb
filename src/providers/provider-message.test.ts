import { expect, it } from "vitest";
import { toProviderMessage } from "./provider-message.ts";

it.each([
  "Incorrect API key provided: sk-proj-abcdEFGH1234567890.",
  "Incorrect API key provided: sk-abc******************wxyz.",
  "bad header Authorization: Bearer abc123",
  "token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc",
  `value ${"deadbeef".repeat(6)}`,
  "key gsk_1234567890abcdef",
])("masks what looks like a secret: %j", (text) => {
  const shown = toProviderMessage(text);
  expect(shown).toContain("***");
  expect(shown).not.toMatch(/abcd|abc123|deadbeef|eyJ|1234567890/);
});

it.each(["unknown keyword-arguments in request", "no model accounts/fireworks/models/llama-v3p1-405b-instruct-long"])(
  "does not take words and model names for secrets: %j",
  (text) => expect(toProviderMessage(text)).toBe(text),
);

it("keeps ordinary words as they are, in one line of at most 500 characters", () => {
  expect(toProviderMessage("The model `gpt-5` does not exist\n or you lack access.")).toBe(
    "The model `gpt-5` does not exist or you lack access.",
  );
  expect(toProviderMessage("word ".repeat(1000)).length).toBeLessThanOrEqual(500);
});
