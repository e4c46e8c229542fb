// Price rows made ready for pricing: one look-up for each meter instead of a search. Compiled once for each combination
// of target, project and tier, since pricing runs on every call (2 µs) and price lists seldom change.
import { Meter, type Price } from "../contract.ts";

/** Prices of one meter in order of falling threshold; the last one applies from the first token on. */
export type Rate = readonly RateStep[];

export type RateStep = {
  readonly nanoUsdPerMillion: bigint;
  /** Applies to requests with more input tokens than this; -1: to all. */
  readonly aboveInputTokens: number;
};

export type Tariff = {
  readonly version: string;
  readonly byMeter: ReadonlyMap<Meter, Rate>;
  /** Cache writes by time to live in seconds. */
  readonly cacheWriteByTtl: ReadonlyMap<number, Rate>;
  /** Calls of tools run by the provider, by tool name. */
  readonly byTool: ReadonlyMap<string, Rate>;
  /** The tier has another price than the standard one, and none is known: amounts are at the standard price. */
  readonly isTierUnpriced: boolean;
};

/** Tiers under which every provider bills its standard price; a provider that names none has served the standard one. */
const standardTiers: ReadonlySet<string> = new Set(["", "default", "standard", "auto", "standard_only", "on_demand"]);

export function isStandardTier(tier: string): boolean {
  return standardTiers.has(tier.toLowerCase());
}

/**
 * Compiles the rows that apply under one service tier. A row of that tier wins over a row without tier; rows of other
 * tiers are left out. Throws on a row without meter or with a negative price: a list with such a row is not trusted.
 */
export function compileTariff(prices: readonly Price[], version: string, serviceTier: string): Tariff {
  const tier = serviceTier.toLowerCase();
  const isStandard = isStandardTier(tier);
  const ofTier = isStandard ? [] : prices.filter((price) => price.serviceTier === tier);
  const general = prices.filter((price) => standardTiers.has(price.serviceTier));
  for (const price of prices) assertIsUsable(price);

  const slots = new Map<string, Price[]>();
  for (const price of general) pushTo(slots, price);
  const slotsOfTier = new Map<string, Price[]>();
  for (const price of ofTier) pushTo(slotsOfTier, price);
  for (const [slot, rows] of slotsOfTier) slots.set(slot, rows);

  const byMeter = new Map<Meter, Rate>();
  const cacheWriteByTtl = new Map<number, Rate>();
  const byTool = new Map<string, Rate>();
  for (const rows of slots.values()) {
    const [first] = rows;
    if (first === undefined) continue;
    const rate = toRate(rows);
    if (first.tool !== "") byTool.set(first.tool, rate);
    else if (first.cacheTtl !== undefined) cacheWriteByTtl.set(Number(first.cacheTtl.seconds), rate);
    else byMeter.set(first.meter, rate);
  }
  const isTierUnpriced = !isStandard && ofTier.length === 0;
  return { version, byMeter, cacheWriteByTtl, byTool, isTierUnpriced };
}

/** The price at this many input tokens: the step with the largest threshold below them. */
export function rateAt(rate: Rate | undefined, inputTokens: number): bigint | undefined {
  if (rate === undefined) return undefined;
  for (const step of rate) if (inputTokens > step.aboveInputTokens) return step.nanoUsdPerMillion;
  return undefined;
}

function assertIsUsable(price: Price): void {
  if (price.meter === Meter.UNSPECIFIED) throw new Error("a price names no meter");
  if (price.nanoUsdPerMillion < 0n) throw new Error("a price is negative");
  if (price.cacheTtl !== undefined && price.meter !== Meter.CACHE_WRITE_INPUT_TOKENS) {
    throw new Error("a price with cache_ttl is not one of cache writes");
  }
  if (price.tool !== "" && price.meter !== Meter.PROVIDER_TOOL_CALLS) {
    throw new Error("a price with a tool is not one of tool calls");
  }
}

function pushTo(slots: Map<string, Price[]>, price: Price): void {
  const slot = `${price.meter}/${price.cacheTtl?.seconds ?? ""}/${price.tool}`;
  const rows = slots.get(slot);
  if (rows === undefined) slots.set(slot, [price]);
  else rows.push(price);
}

function toRate(rows: readonly Price[]): Rate {
  const steps = rows.map((row) => ({
    nanoUsdPerMillion: row.nanoUsdPerMillion,
    aboveInputTokens: row.aboveInputTokens ?? -1,
  }));
  return steps.sort((a, b) => b.aboveInputTokens - a.aboveInputTokens);
}
