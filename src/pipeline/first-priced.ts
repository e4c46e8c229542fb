import type { Cost, Usage } from "../contract.ts";
import type { PriceQuery, Pricer } from "./ports.ts";

/**
 * The first of several usages that mean the same in other units (tokens, characters, images) whose every unit has a price
 * at this target. Without one: the first usage, and no cost.
 */
export function firstPriced(
  pricer: Pricer,
  usages: readonly Usage[],
  at: PriceQuery,
): { readonly usage: Usage | undefined; readonly cost: Cost | undefined } {
  for (const usage of usages) {
    const cost = pricer.price(usage, at);
    if (!cost.incomplete) return { usage, cost };
  }
  return { usage: usages[0], cost: undefined };
}
