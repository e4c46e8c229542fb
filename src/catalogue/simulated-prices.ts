import { Meter, type Price } from "../contract.ts";

export const simulatedPricesVersion = "simulator-1";

/** Made-up fixed prices of the simulator's models, so that a demo shows costs: as of a small model, in nano-USD per million. */
const tokenPrices: readonly Price[] = [
  toPrice(Meter.INPUT_TOKENS, 400_000_000n),
  toPrice(Meter.CACHE_READ_INPUT_TOKENS, 100_000_000n),
  toPrice(Meter.CACHE_WRITE_INPUT_TOKENS, 500_000_000n),
  toPrice(Meter.OUTPUT_TOKENS, 1_600_000_000n),
  toPrice(Meter.AUDIO_INPUT_TOKENS, 10_000_000_000n),
  toPrice(Meter.AUDIO_OUTPUT_TOKENS, 20_000_000_000n),
  toPrice(Meter.IMAGE_OUTPUT_TOKENS, 40_000_000_000n),
  toPrice(Meter.PROVIDER_TOOL_CALLS, 10_000_000_000_000n),
];

/** Models that are billed by something else, by the word in their name: 0.006 USD a minute, 15 USD a million characters, 2 USD a thousand searches, 0.04 USD an image. */
const otherPrices: readonly (readonly [word: RegExp, prices: readonly Price[]])[] = [
  [/whisper/, [toPrice(Meter.AUDIO_MILLISECONDS, 100_000_000n)]],
  [/tts/, [toPrice(Meter.CHARACTERS, 15_000_000_000n)]],
  [/rerank/, [toPrice(Meter.SEARCH_UNITS, 2_000_000_000_000n), toPrice(Meter.INPUT_TOKENS, 50_000_000n)]],
  [/dall-e/, [toPrice(Meter.IMAGES, 40_000_000_000_000n)]],
];

export function simulatedPricesOf(model: string): readonly Price[] {
  return otherPrices.find(([word]) => word.test(model))?.[1] ?? tokenPrices;
}

/** Whether the prices above are those of a model: any of provider "simulator", and `sim-*` wherever it is served. */
export function isSimulated(providerName: string, model: string): boolean {
  return providerName === "simulator" || model.startsWith("sim-");
}

function toPrice(meter: Meter, nanoUsdPerMillion: bigint): Price {
  return { $typeName: "llmgateway.v1.Price", meter, nanoUsdPerMillion, serviceTier: "", tool: "" };
}
