// The most that a provider may bill for a call whose counts are bounded and whose kinds are not known yet: of the input it
// says only afterwards how much was read from a cache, written to one, sound or pictures. Each count is taken at the
// dearest price that may apply to it.
import { type Cost, Meter, type Usage } from "../contract.ts";
import { priceWithTariff, toAmountNanoUsd } from "./price.ts";
import type { Rate, Tariff } from "./tariff.ts";

/** What a call may consume: each count of `usage` at most, and of which kinds its tokens may be. */
export type MostConsumed = {
  readonly usage: Usage;
  /** The request has the provider's cache keep a part of it; some write to it unasked, at the price without time to live. */
  readonly asksForCache: boolean;
  /** Input tokens may be of sound or pictures. */
  readonly hasMedia: boolean;
  /** Output tokens may be of sound or pictures. */
  readonly makesMedia: boolean;
  /** Calls of tools that the provider runs, each perhaps of the dearest. */
  readonly toolCalls: number;
};

/** Nano-USD; `undefined`: something of it has no price. No usage within `most` costs more under this tariff. */
export function mostBilled(tariff: Tariff, most: MostConsumed): bigint | undefined {
  const { usage } = most;
  const plain = priceWithTariff(usage, tariff);
  if (plain.incomplete) return undefined;
  const inputTokens = usage.inputTokens ?? 0;
  const input = inputRates(tariff, most);
  const output = outputRates(tariff, most);
  return (
    otherThanTokens(tariff, plain, inputTokens) +
    atDearest(inputTokens, input, inputTokens, linesOf(input, linesMost.input)) +
    atDearest(usage.outputTokens ?? 0, output, inputTokens, linesOf(output, linesMost.output)) +
    atDearest(most.toolCalls, toolRates(tariff), inputTokens, most.toolCalls)
  );
}

/** Lines of a bill. Input: plain, sound, pictures, read from a cache, and written to one for two known times and an unknown. */
const linesMost = { input: 7, output: 3 } as const;

const tokenMeters: ReadonlySet<Meter> = new Set([
  Meter.INPUT_TOKENS,
  Meter.CACHE_READ_INPUT_TOKENS,
  Meter.CACHE_WRITE_INPUT_TOKENS,
  Meter.AUDIO_INPUT_TOKENS,
  Meter.IMAGE_INPUT_TOKENS,
  Meter.OUTPUT_TOKENS,
  Meter.AUDIO_OUTPUT_TOKENS,
  Meter.IMAGE_OUTPUT_TOKENS,
]);

/** Requests, pictures, time, characters, search units, and tool calls that were counted already. */
function otherThanTokens({ byMeter, byTool }: Tariff, { items }: Cost, inputTokens: number): bigint {
  return items.reduce((sum, { meter, tool, quantity }) => {
    if (tokenMeters.has(meter)) return sum;
    return sum + atDearest(Number(quantity), [byTool.get(tool) ?? byMeter.get(meter)], inputTokens, 1);
  }, 0n);
}

function inputRates({ byMeter, cacheWriteByTtl }: Tariff, most: MostConsumed): readonly (Rate | undefined)[] {
  const { audioInputTokens = 0, imageInputTokens = 0 } = most.usage;
  const hasMedia = most.hasMedia || audioInputTokens + imageInputTokens > 0;
  const plain = [Meter.INPUT_TOKENS, Meter.CACHE_READ_INPUT_TOKENS, Meter.CACHE_WRITE_INPUT_TOKENS];
  const media = hasMedia ? [Meter.AUDIO_INPUT_TOKENS, Meter.IMAGE_INPUT_TOKENS] : [];
  const kept = most.asksForCache || most.usage.cacheWrites.length > 0 ? [...cacheWriteByTtl.values()] : [];
  return [...[...plain, ...media].map((meter) => byMeter.get(meter)), ...kept];
}

function outputRates({ byMeter }: Tariff, most: MostConsumed): readonly (Rate | undefined)[] {
  const { audioOutputTokens = 0, imageOutputTokens = 0 } = most.usage;
  const makesMedia = most.makesMedia || audioOutputTokens + imageOutputTokens > 0;
  const media = makesMedia ? [Meter.AUDIO_OUTPUT_TOKENS, Meter.IMAGE_OUTPUT_TOKENS] : [];
  return [Meter.OUTPUT_TOKENS, ...media].map((meter) => byMeter.get(meter));
}

/** A meter with one price has one line. */
function linesOf(rates: readonly (Rate | undefined)[], most: number): number {
  return rates.filter((rate) => rate !== undefined).length > 1 ? most : 1;
}

function toolRates({ byMeter, byTool }: Tariff): readonly (Rate | undefined)[] {
  return [byMeter.get(Meter.PROVIDER_TOOL_CALLS), ...byTool.values()];
}

/**
 * All of it at the dearest of the rates, whatever step of a rate fewer input tokens would come to. A bill of several lines
 * rounds each of them, by half a nano-USD at most.
 */
function atDearest(
  quantity: number,
  rates: readonly (Rate | undefined)[],
  inputTokens: number,
  linesMost: number,
): bigint {
  if (quantity <= 0) return 0n;
  let dearest = 0n;
  for (const rate of rates) {
    for (const { aboveInputTokens, nanoUsdPerMillion } of rate ?? []) {
      if (inputTokens > aboveInputTokens && nanoUsdPerMillion > dearest) dearest = nanoUsdPerMillion;
    }
  }
  const amount = toAmountNanoUsd(BigInt(quantity), dearest);
  const lines = Math.min(quantity, linesMost);
  return lines > 1 && dearest > 0n ? amount + BigInt(Math.ceil((lines + 1) / 2)) : amount;
}
