import { create, type JsonObject } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { CompleteRequestSchema, ErrorReason } from "../contract.ts";
import { CallFailure } from "../domain/call-failure.ts";
import { refuseReservedOptions } from "./refuse-reserved-options.ts";

/** Field that the refusal names; `undefined`: the options were let through. */
function refusedField(providerOptions: Record<string, JsonObject>, toolOptions: JsonObject = {}): string | undefined {
  const tools = [
    { kind: { case: "function" as const, value: { name: "f" } }, providerOptions: { openai: toolOptions } },
  ];
  try {
    refuseReservedOptions(create(CompleteRequestSchema, { model: "m", providerOptions, tools }));
    return undefined;
  } catch (error) {
    if (!(error instanceof CallFailure)) throw error;
    expect(error.reason).toBe(ErrorReason.INVALID_REQUEST);
    return error.facts.violations?.[0]?.field;
  }
}

describe("options in a provider's own words", () => {
  it("go through when the contract has no field for them", () => {
    const options = { cache_control: { ttl: "1h" }, temperature: 2, metadata: { model: "x" }, options: { num_ctx: 9 } };
    expect(refusedField({ openai: options }, { strict: true })).toBeUndefined();
  });

  it.each<[string, JsonObject, string]>([
    ["another model", { model: "dear" }, "model"],
    ["another model as a fallback", { models: ["dear"] }, "models"],
    ["other messages", { messages: [] }, "messages"],
    ["a longer answer", { max_tokens: 1_000_000 }, "max_tokens"],
    ["a longer answer, spelled otherwise", { maxTokens: 1_000_000 }, "maxTokens"],
    ["a longer answer, in an object", { generationConfig: { maxOutputTokens: 9 } }, "generationConfig.maxOutputTokens"],
    ["more answers", { n: 100 }, "n"],
    ["a dearer tier", { service_tier: "priority" }, "service_tier"],
    ["tools for a fee", { tools: [{ type: "web_search" }] }, "tools"],
  ])("are refused when they ask for %s", (_, options, path) => {
    expect(refusedField({ mine: { harmless: 1 }, openai: options })).toBe(`provider_options.openai.${path}`);
  });

  it("are refused when they make a function a tool of the provider", () => {
    expect(refusedField({}, { type: "web_search" })).toBe("tools[0].provider_options.openai.type");
  });
});
