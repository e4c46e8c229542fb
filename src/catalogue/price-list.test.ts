import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Meter } from "../contract.ts";
import { compileTariff } from "../metering/tariff.ts";
import { createCatalogue } from "./create-catalogue.ts";
import { pricesAt } from "./dated-prices.ts";
import { findListedModel, readPriceList, toPrice } from "./price-list.ts";

const files = readdirSync(new URL("./prices/", import.meta.url)).map((name) => name.replace(".json", ""));

describe("the committed lists", () => {
  it.each(files)("%s: every row is a usable price", (file) => {
    const list = readPriceList(file);
    expect(list.version).toMatch(/^genai-prices-\d/);
    expect(list.models.length).toBeGreaterThan(0);
    for (const model of list.models) {
      for (const { rows } of model.prices)
        expect(() => compileTariff(rows.map(toPrice), list.version, "")).not.toThrow();
    }
  });

  it.each(files)("%s: every pattern can be tried", (file) => {
    expect(() => findListedModel(readPriceList(file), "a name that no list has")).not.toThrow();
  });
});

describe("prices by time", () => {
  const dated = [
    { rows: [{ meter: "INPUT_TOKENS", nano: 1 }] },
    { from: "2026-08-17", rows: [{ meter: "INPUT_TOKENS", nano: 2 }] },
    { daily: ["22:00:00Z", "02:00:00Z"] as const, rows: [{ meter: "INPUT_TOKENS", nano: 3 }] },
  ];

  it.each([
    ["2026-08-16T12:00:00Z", 1],
    ["2026-08-17T02:00:00Z", 2],
    ["2026-08-17T21:59:59Z", 2],
    ["2026-08-17T22:00:00Z", 3],
    ["2026-08-18T01:59:59Z", 3],
    ["2026-08-18T02:00:00Z", 2],
  ])("at %s the price is %i, and stays so within the stated time", (time, nano) => {
    const atMs = Date.parse(time);
    const current = pricesAt(dated, atMs);
    expect(current?.rows[0]?.nano).toBe(nano);
    expect(current?.fromMs).toBeLessThanOrEqual(atMs);
    expect(current?.untilMs).toBeGreaterThan(atMs);
    expect(pricesAt(dated, (current?.untilMs ?? 0) - 1)?.rows[0]?.nano).toBe(nano);
  });

  it("are none before the first day", () => {
    expect(pricesAt([{ from: "2026-01-01", rows: [] }], Date.parse("2025-12-31"))).toBeUndefined();
  });
});

describe("facts and prices of a model", () => {
  const catalogue = createCatalogue({ overrides: [] });

  it("come from its provider's list", () => {
    expect(catalogue.facts("anthropic", "claude-haiku-4-5")).toMatchObject({ contextWindow: 200_000, tools: true });
    expect(catalogue.facts("openai", "gpt-4.1-mini")).toMatchObject({ maxOutputTokens: 32_768, reasoning: false });
  });

  it("are unknown, not guessed, for a model that nobody lists", () => {
    expect(catalogue.facts("local", "my-finetune")).toEqual({});
    const at = { providerId: "local", providerName: "local", model: "x", projectId: "p", serviceTier: "", atMs: 0 };
    expect(catalogue.prices(at)).toBeUndefined();
  });

  it("list every meter once for each condition", () => {
    const at = {
      providerId: "claude",
      providerName: "anthropic",
      model: "claude-haiku-4-5",
      projectId: "p",
      serviceTier: "",
      atMs: Date.parse("2026-11-24"),
    };
    const prices = catalogue.prices(at)?.prices ?? [];
    const writes = prices.filter((price) => price.meter === Meter.CACHE_WRITE_INPUT_TOKENS && price.serviceTier === "");
    expect(writes.map((price) => [price.cacheTtl?.seconds, price.nanoUsdPerMillion])).toEqual([
      [undefined, 1_250_000_000n],
      [3600n, 2_000_000_000n],
    ]);
  });
});
