// From a request to what is reserved for it, at the prices of the catalogue.
import { create, type JsonObject, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { createCatalogue } from "../catalogue/create-catalogue.ts";
import { CompleteRequestSchema, Modality, PromptCacheMode, Role, type Usage, UsageSchema } from "../contract.ts";
import type { ModelFacts } from "../domain/target.ts";
import { mostKindsOf, worstCost } from "./worst-cost.ts";

const catalogue = createCatalogue({ overrides: [] });
const atMs = Date.parse("2026-11-25T00:00:00Z");

type Asked = MessageInitShape<typeof CompleteRequestSchema>;

function text(value: string) {
  return { content: { case: "text" as const, value: { text: value } } };
}

function plannedAt(providerName: string, model: string, facts: ModelFacts = catalogue.facts(providerName, model)) {
  const target = {
    id: model,
    providerId: providerName,
    providerKind: providerName,
    providerName,
    model,
    region: "",
    weight: 1,
    zeroDataRetention: false,
    facts,
  };
  return { target, modelId: "m" };
}

/** Nano-USD a token that is reserved for input and output together. */
function reserved(
  [providerName, model]: readonly [string, string],
  asked: Asked = {},
  usage: MessageInitShape<typeof UsageSchema> = { inputTokens: 100_000, outputTokens: 0 },
): number {
  const request = create(CompleteRequestSchema, { messages: [{ role: Role.USER, parts: [text("Hi.")] }], ...asked });
  const query = {
    projectId: "p",
    providerId: providerName,
    providerName,
    model,
    serviceTier: request.serviceTier,
    atMs,
  };
  const usages: readonly Usage[] = [create(UsageSchema, usage)];
  const cost = worstCost(catalogue, [plannedAt(providerName, model)], usages, mostKindsOf(request, 10), () => query);
  return Number(cost ?? expect.fail("no price"));
}

function billed(
  [providerName, model]: readonly [string, string],
  serviceTier: string,
  usage: MessageInitShape<typeof UsageSchema>,
): number {
  const at = { providerId: providerName, providerName, model, projectId: "p", serviceTier, atMs };
  return Number(catalogue.price(create(UsageSchema, usage), at).totalNanoUsd);
}

const claude = ["anthropic", "claude-haiku-4-5"] as const;
const priorityModel = ["openai", "gpt-4.1-mini"] as const;
const longLived = { cacheWrites: [{ ttl: { seconds: 3600n }, inputTokens: 100_000 }], cacheWriteInputTokens: 100_000 };

describe("what is reserved", () => {
  it.each<[string, Asked]>([
    ["automatic breakpoints", { promptCache: { mode: PromptCacheMode.AUTO, ttl: { seconds: 3600n } } }],
    [
      "a breakpoint of the caller",
      { messages: [{ role: Role.USER, parts: [{ ...text("Hi."), cacheBreakpoint: { ttl: { seconds: 3600n } } }] }] },
    ],
    ["a breakpoint in the provider's own words", { providerOptions: { anthropic: { cache_control: { ttl: "1h" } } } }],
    [
      "a breakpoint after a tool",
      { tools: [{ kind: { case: "function", value: { name: "f" } }, cacheBreakpoint: { ttl: { seconds: 3600n } } }] },
    ],
  ])("covers input that is written to a cache for an hour, by %s", (_, asked) => {
    const bill = billed(claude, "", { inputTokens: 100_000, outputTokens: 0, ...longLived });
    expect(reserved(claude, asked)).toBeGreaterThanOrEqual(bill);
    expect(reserved(claude)).toBeLessThan(bill);
  });

  it("covers writes to a cache that the provider keeps unasked", () => {
    const model = ["openai", "gpt-5.6-sol"] as const;
    const usage = { inputTokens: 100_000, outputTokens: 0 };
    const bill = billed(model, "default", { ...usage, cacheWriteInputTokens: 100_000 });
    expect(bill).toBeGreaterThan(billed(model, "default", usage));
    expect(reserved(model, { serviceTier: "default" })).toBeGreaterThanOrEqual(bill);
  });

  it("covers a tier that the provider may choose itself, and no other when the caller says standard", () => {
    const usage = { inputTokens: 1_000, outputTokens: 1_000 };
    for (const serviceTier of ["", "auto", "priority"]) {
      expect(reserved(priorityModel, { serviceTier }, usage)).toBeGreaterThanOrEqual(
        billed(priorityModel, "priority", usage),
      );
    }
    expect(reserved(priorityModel, { serviceTier: "default" }, usage)).toBeLessThan(
      billed(priorityModel, "priority", usage),
    );
    expect(reserved(priorityModel, { serviceTier: "flex" }, usage)).toBeGreaterThanOrEqual(
      billed(priorityModel, "default", usage),
    );
  });

  it("covers sound and pictures where the request or the model may bring them", () => {
    const gemini = ["gcp.gemini", "gemini-2.5-flash"] as const;
    const heard = billed(gemini, "", { inputTokens: 100_000, audioInputTokens: 100_000, outputTokens: 0 });
    const video = {
      content: { case: "video" as const, value: { source: { case: "uri" as const, value: "gs://a/b" } } },
    };
    expect(reserved(gemini, { messages: [{ role: Role.USER, parts: [video] }] })).toBeGreaterThanOrEqual(heard);
    expect(reserved(gemini)).toBeLessThan(heard);
    const image = ["gcp.gemini", "gemini-2.5-flash-image"] as const;
    const usage = { inputTokens: 0, outputTokens: 1_290 };
    const drawn = billed(image, "", { ...usage, imageOutputTokens: 1_290 });
    expect(reserved(image, {}, usage)).toBeGreaterThanOrEqual(drawn);
    expect(reserved(image, { outputModalities: [Modality.TEXT] }, usage)).toBeLessThan(drawn);
  });

  it("covers long context from its threshold on", () => {
    const model = ["gcp.gemini", "gemini-2.5-pro"] as const;
    const usage = { inputTokens: 1_000_000, outputTokens: 1_000 };
    expect(reserved(model, {}, usage)).toBeGreaterThanOrEqual(billed(model, "", usage));
    expect(reserved(model, {}, usage)).toBeGreaterThan(20 * reserved(model, {}, { ...usage, inputTokens: 40_000 }));
  });

  it("covers so many searches as the tool may make, or as are assumed", () => {
    const search = (settings: JsonObject) => ({
      tools: [{ kind: { case: "provider" as const, value: { type: "web_search", settings } } }],
    });
    const usage = { inputTokens: 10, outputTokens: 0 };
    const bill = (calls: number) => billed(claude, "", { ...usage, providerToolCalls: { web_search: calls } });
    expect(reserved(claude, search({ max_uses: 3 }), usage)).toBeGreaterThanOrEqual(bill(3));
    expect(reserved(claude, search({ max_uses: 3 }), usage)).toBeLessThan(bill(4));
    expect(reserved(claude, search({}), usage)).toBeGreaterThanOrEqual(bill(10));
  });
});
