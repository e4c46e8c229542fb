import { asNumber, asObject, type JsonRecord } from "../../wire/json.ts";

/** xAI: one US dollar has 10^10 ticks (https://docs.x.ai/docs/key-information/consumption-and-rate-limits). */
const ticksByNanoUsd = 10;

/** Dearest answer that we believe: a million US dollars. */
const nanoUsdMax = 1e15;

/**
 * What the server itself says that the answer cost, in nano-USD; `undefined` when it does not say. OpenRouter and Vercel:
 * `usage.cost` in USD. Perplexity: `usage.cost.total_cost`. xAI: `usage.cost_in_usd_ticks`. Venice: `cost.usd` at the top.
 */
export function toReportedCostNanoUsd(usage: JsonRecord | undefined, topLevelCost: unknown): bigint | undefined {
  const ticks = asNumber(usage?.["cost_in_usd_ticks"]);
  if (ticks !== undefined) return toNanoUsd(ticks / ticksByNanoUsd);
  const usd =
    costAtOpenRouter(usage) ??
    asNumber(asObject(usage?.["cost"])?.["total_cost"]) ??
    asNumber(asObject(topLevelCost)?.["usd"]);
  return usd === undefined ? undefined : toNanoUsd(usd * 1e9);
}

/** With a key of the caller's own at the provider behind it, `cost` is the fee alone; the provider's bill stands beside it. */
function costAtOpenRouter(usage: JsonRecord | undefined): number | undefined {
  const cost = asNumber(usage?.["cost"]);
  if (cost === undefined || usage?.["is_byok"] !== true) return cost;
  return cost + (asNumber(asObject(usage["cost_details"])?.["upstream_inference_cost"]) ?? 0);
}

function toNanoUsd(amount: number): bigint | undefined {
  return amount >= 0 && amount <= nanoUsdMax ? BigInt(Math.round(amount)) : undefined;
}
