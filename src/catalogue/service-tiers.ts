// Prices of service tiers, derived from the standard ones where the provider publishes the relation. A tier that stands
// nowhere here is billed at the standard price and the cost is marked incomplete (`metering/tariff.ts`).
import { Meter, type Price } from "../contract.ts";
import { isStandardTier } from "../metering/tariff.ts";

/** Price of a tier as a fraction of the standard price. */
type Fraction = readonly [numerator: bigint, denominator: bigint];

const half: Fraction = [1n, 2n];

/**
 * Tiers whose fraction is the same for every model of a provider.
 * OpenAI batch and flex: https://platform.openai.com/docs/pricing ("Flex", "Batch").
 * Anthropic batch: https://platform.claude.com/docs/en/about-claude/pricing#batch-processing (also of cache prices).
 * Gemini batch: https://ai.google.dev/gemini-api/docs/batch-api. Bedrock batch: https://aws.amazon.com/bedrock/pricing/.
 * Groq flex costs what on demand costs: https://console.groq.com/docs/flex-processing.
 */
const tiersByFile: Readonly<Record<string, Readonly<Record<string, Fraction>>>> = {
  openai: { batch: half, flex: half },
  azure: { batch: half },
  anthropic: { batch: half },
  google: { batch: half },
  aws: { batch: half },
  mistral: { batch: half },
  groq: { flex: [1n, 1n] },
};

/** OpenAI priority by model, https://openai.com/api-priority-processing (2026-11): not of requests with long context. */
const openAiPriority: readonly (readonly [model: RegExp, fraction: Fraction])[] = [
  [/^gpt-5\.4-mini/, [2n, 1n]],
  [/^gpt-5\.4(-\d{4}|$)/, [2n, 1n]],
  [/^gpt-5\.[12](-codex)?(-\d{4}|$)/, [2n, 1n]],
  [/^gpt-5(-codex)?(-\d{4}|$)/, [2n, 1n]],
  [/^gpt-5-mini/, [9n, 5n]],
  [/^gpt-4\.1-nano/, [2n, 1n]],
  [/^gpt-4\.1(-mini)?(-\d{4}|$)/, [7n, 4n]],
  [/^gpt-4o-2024-05-13$/, [7n, 4n]],
  [/^gpt-4o-mini(-\d{4}|$)/, [5n, 3n]],
  [/^gpt-4o(-\d{4}|$)/, [17n, 10n]],
  [/^o3(-\d{4}|$)/, [7n, 4n]],
  [/^o4-mini(-\d{4}|$)/, [20n, 11n]],
];

const tokenMeters: ReadonlySet<Meter> = new Set([
  Meter.INPUT_TOKENS,
  Meter.CACHE_READ_INPUT_TOKENS,
  Meter.CACHE_WRITE_INPUT_TOKENS,
  Meter.OUTPUT_TOKENS,
  Meter.AUDIO_INPUT_TOKENS,
  Meter.AUDIO_OUTPUT_TOKENS,
  Meter.IMAGE_INPUT_TOKENS,
  Meter.IMAGE_OUTPUT_TOKENS,
]);

/** The standard rows and, after them, those of every tier that is known for the model. Tools cost the same in all tiers. */
export function withServiceTiers(file: string, model: string, standard: readonly Price[]): readonly Price[] {
  const tiers = Object.entries(tiersByFile[file] ?? {}).flatMap(([tier, fraction]) => toTier(standard, tier, fraction));
  const priority = file === "openai" ? openAiPriority.find(([pattern]) => pattern.test(model))?.[1] : undefined;
  if (priority === undefined) return [...standard, ...tiers];
  const shortContext = standard.filter((price) => price.aboveInputTokens === undefined);
  return [...standard, ...tiers, ...toTier(shortContext, "priority", priority)];
}

/** Words that leave the tier to the provider, which may have been told another by its own settings. */
const openTiers: ReadonlySet<string> = new Set(["", "auto"]);
const standardTier = "standard";

/**
 * Tiers under which a provider may bill a call that asked for `asked`, as far as they may cost more. Whoever asks for the
 * standard one gets no other.
 */
export function dearerTiers(asked: string, prices: readonly Price[]): readonly string[] {
  const tier = asked.toLowerCase();
  if (!openTiers.has(tier)) return isStandardTier(tier) ? [] : [standardTier];
  const standard = prices.filter((price) => isStandardTier(price.serviceTier));
  const isDearer = (price: Price) =>
    !standard.some((other) => isSamePlace(other, price) && other.nanoUsdPerMillion >= price.nanoUsdPerMillion);
  const dearer = prices.filter((price) => !isStandardTier(price.serviceTier) && isDearer(price));
  return [...new Set(dearer.map((price) => price.serviceTier))];
}

function isSamePlace(a: Price, b: Price): boolean {
  return (
    a.meter === b.meter &&
    a.tool === b.tool &&
    a.cacheTtl?.seconds === b.cacheTtl?.seconds &&
    a.aboveInputTokens === b.aboveInputTokens
  );
}

function toTier(standard: readonly Price[], serviceTier: string, [numerator, denominator]: Fraction): Price[] {
  return standard
    .filter((price) => tokenMeters.has(price.meter))
    .map((price) => ({
      ...price,
      serviceTier,
      nanoUsdPerMillion: (price.nanoUsdPerMillion * numerator + denominator / 2n) / denominator,
    }));
}
