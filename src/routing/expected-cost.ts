import { Meter, type Price } from "../contract.ts";

/** Where prices come from; `Pricer` of the pipeline is one. */
export interface PriceSource {
  /** Prices that apply; `undefined`: none known. */
  prices(at: {
    readonly providerId: string;
    readonly providerName: string;
    readonly model: string;
    readonly projectId: string;
    readonly serviceTier: string;
    readonly atMs: number;
  }): { readonly prices: readonly Price[] } | undefined;
}

export type ExpectedTokens = {
  readonly input: number;
  /** Part of the input that the target's cache probably holds. */
  readonly cachedInput: number;
  readonly output: number;
};

/**
 * Nano-USD that a request of this size would probably cost; `undefined` when the price of input or output is not known.
 * Only tokens count: surcharges on tools, media and requests are small, and not known before.
 */
export function expectedCostNanoUsd(
  prices: readonly Price[] | undefined,
  tokens: ExpectedTokens,
  serviceTier: string,
): number | undefined {
  if (prices === undefined) return undefined;
  const input = priceOf(prices, Meter.INPUT_TOKENS, tokens.input, serviceTier);
  const output = priceOf(prices, Meter.OUTPUT_TOKENS, tokens.input, serviceTier);
  if (input === undefined || output === undefined) return undefined;
  const cacheRead = priceOf(prices, Meter.CACHE_READ_INPUT_TOKENS, tokens.input, serviceTier) ?? input;
  const cached = Math.min(tokens.cachedInput, tokens.input);
  return Math.round(((tokens.input - cached) * input + cached * cacheRead + tokens.output * output) / 1_000_000);
}

/** Nano-USD per million; the row of the tier wins over the row for all, then the highest step that the input reaches. */
function priceOf(prices: readonly Price[], meter: Meter, inputTokens: number, serviceTier: string): number | undefined {
  let best: Price | undefined;
  for (const price of prices) {
    if (price.meter !== meter || price.tool !== "") continue;
    if (price.serviceTier !== "" && price.serviceTier !== serviceTier) continue;
    if (price.aboveInputTokens !== undefined && inputTokens <= price.aboveInputTokens) continue;
    if (best === undefined || rank(price) > rank(best)) best = price;
  }
  return best && Number(best.nanoUsdPerMillion);
}

function rank(price: Price): number {
  return (price.serviceTier === "" ? 0 : 2 ** 32) + (price.aboveInputTokens ?? 0);
}
