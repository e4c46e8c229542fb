import { create } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { type Cost, CostSchema, type Usage, UsageSchema } from "../contract.ts";
import { firstPriced } from "./first-priced.ts";
import type { Pricer } from "./ports.ts";

const at = { providerId: "p", providerName: "p", model: "m", projectId: "s", serviceTier: "", atMs: 0 };
const byCharacter = create(UsageSchema, { inputCharacters: 10 });
const byToken = create(UsageSchema, { inputTokens: 3, outputTokens: 4 });

/** Prices what has the count, and nothing else. */
function pricerOf(name: "inputCharacters" | "inputTokens"): Pricer {
  return {
    price: (usage: Usage): Cost => create(CostSchema, { incomplete: usage[name] === undefined }),
    mostBilled: () => undefined,
    prices: () => undefined,
  };
}

it("chooses the unit that the target has a price for", () => {
  expect(firstPriced(pricerOf("inputTokens"), [byCharacter, byToken], at).usage).toBe(byToken);
  expect(firstPriced(pricerOf("inputCharacters"), [byCharacter, byToken], at).usage).toBe(byCharacter);
});

it("names the likeliest unit, and no cost, where none has a price", () => {
  const found = firstPriced(pricerOf("inputTokens"), [byCharacter], at);
  expect(found.usage).toBe(byCharacter);
  expect(found.cost).toBeUndefined();
});
