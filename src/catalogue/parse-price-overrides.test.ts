import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { UsageSchema } from "../contract.ts";
import type { PriceQuery } from "../pipeline/ports.ts";
import { createCatalogue } from "./create-catalogue.ts";
import { PriceOverridesError, parsePriceOverrides } from "./parse-price-overrides.ts";

const usage = create(UsageSchema, { inputTokens: 1_000, outputTokens: 100 });

function queryFor(change: Partial<PriceQuery> = {}): PriceQuery {
  return {
    providerId: "openai",
    providerName: "openai",
    model: "gpt-4.1-mini",
    projectId: "search",
    serviceTier: "",
    atMs: Date.parse("2026-11-24"),
    ...change,
  };
}

function totalWith(yaml: string, change: Partial<PriceQuery> = {}): bigint {
  return createCatalogue({ overrides: parsePriceOverrides(yaml, "prices.yaml") }).price(usage, queryFor(change))
    .totalNanoUsd;
}

describe("contracted prices", () => {
  it("replace the listed ones of a model", () => {
    expect(totalWith("- { provider: openai, model: gpt-4.1-mini, input: 300000000, output: 1000000000 }")).toBe(
      400_000n,
    );
  });

  it("hold for one project only when they name it, and win there over the general ones", () => {
    const yaml = `
- { provider: openai, model: gpt-4.1-mini, input: 300000000, output: 1000000000 }
- { provider: openai, model: gpt-4.1-mini, project: ads, input: 200000000, output: 1000000000 }
`;
    expect(totalWith(yaml, { projectId: "ads" })).toBe(300_000n);
    expect(totalWith(yaml, { projectId: "search" })).toBe(400_000n);
  });

  it("begin on their day, also for a process that runs through it", () => {
    const yaml = "- { provider: openai, model: gpt-4.1-mini, from: 2026-12-01, input: 300000000, output: 1000000000 }";
    const catalogue = createCatalogue({ overrides: parsePriceOverrides(yaml, "prices.yaml") });
    const at = (day: string) => catalogue.price(usage, queryFor({ atMs: Date.parse(day) })).totalNanoUsd;
    expect(at("2026-11-30T23:59:59.999Z")).toBe(560_000n);
    expect(at("2026-12-01T00:00:00Z")).toBe(400_000n);
    expect(at("2026-11-30")).toBe(560_000n);
  });

  it("may name models by pattern, the longest one winning", () => {
    const yaml = `
- { provider: openai, model: "gpt-*", input: 100000000, output: 1000000000 }
- { provider: openai, model: "gpt-4.1-*", input: 200000000, output: 1000000000 }
`;
    expect(totalWith(yaml)).toBe(300_000n);
    expect(totalWith(yaml, { model: "gpt-9" })).toBe(200_000n);
  });

  it("have prices for tiers, long context, lifetimes in the cache and tools", () => {
    const yaml = `
- provider: openai
  model: gpt-4.1-mini
  input: 1000000
  output: 2000000
  cache_write: 3000000
  cache_write_1h: 4000000
  tool_calls: { web_search: 5000000 }
- { provider: openai, model: gpt-4.1-mini, above_input_tokens: 5000, input: 10000000 }
- { provider: openai, model: gpt-4.1-mini, service_tier: flex, input: 500000 }
`;
    const catalogue = createCatalogue({ overrides: parsePriceOverrides(yaml, "prices.yaml") });
    const rich = create(UsageSchema, {
      inputTokens: 1_000,
      outputTokens: 100,
      cacheWriteInputTokens: 500,
      cacheWrites: [{ ttl: { seconds: 3600n, nanos: 0 }, inputTokens: 500 }],
      providerToolCalls: { web_search: 1 },
    });
    expect(catalogue.price(rich, queryFor()).totalNanoUsd).toBe(500n + 200n + 2_000n + 5n);
    expect(catalogue.price(rich, queryFor({ serviceTier: "flex" })).totalNanoUsd).toBe(250n + 200n + 2_000n + 5n);
    const long = create(UsageSchema, { inputTokens: 5_001, outputTokens: 0 });
    expect(catalogue.price(long, queryFor()).totalNanoUsd).toBe(50_010n);
  });

  it("change their version with the text of the file", () => {
    const [one] = parsePriceOverrides("- { provider: a, model: b, input: 1 }", "f");
    const [two] = parsePriceOverrides("- { provider: a, model: b, input: 2 }", "f");
    expect(one?.version).toMatch(/^overrides-[0-9a-f]{12}$/);
    expect(one?.version).not.toBe(two?.version);
  });

  it("may be none", () => {
    expect(parsePriceOverrides("", "f")).toEqual([]);
    expect(parsePriceOverrides("[]", "f")).toEqual([]);
  });
});

describe("a file with a fault", () => {
  it("is refused as a whole, every fault with its line", () => {
    const yaml = `- { provider: openai, model: a, input: 1 }
- { model: b, input: 1 }
- { provider: openai, model: c, input: -1 }
- { provider: openai, model: d, input: 0.5 }
- { provider: openai, model: e, inptu: 1, input: 1 }
- { provider: openai, model: f, from: yesterday, input: 1 }
- { provider: openai, model: g }
- nonsense
- { provider: openai, model: a, input: 2 }
`;
    let problems: PriceOverridesError | undefined;
    try {
      parsePriceOverrides(yaml, "prices.yaml");
    } catch (error) {
      if (error instanceof PriceOverridesError) problems = error;
    }
    expect(problems?.problems.map(({ line }) => line)).toEqual(expect.arrayContaining([2, 3, 4, 5, 6, 7, 8, 9]));
    expect(problems?.problems.map(({ line }) => line)).not.toContain(1);
    expect(problems?.message).toContain('prices.yaml:5: unknown field "inptu"');
  });

  it.each([
    ["a map", "a: 1"],
    ["broken YAML", "- { provider: openai"],
    ["a price in words", "- { provider: a, model: b, input: cheap }"],
    ["a number past exactness", "- { provider: a, model: b, input: 9007199254740993 }"],
  ])("is refused when it is %s", (_, yaml) => {
    expect(() => parsePriceOverrides(yaml, "f")).toThrow(PriceOverridesError);
  });
});
