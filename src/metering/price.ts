// From tokens to money. Each consumed unit is billed on exactly one line; a unit without a price makes the cost
// incomplete and is never taken for free; an unknown count stays unknown.
import { type Cost, type CostItem, Meter, type Price, type Usage } from "../contract.ts";
import { compileTariff, type Rate, rateAt, type Tariff } from "./tariff.ts";

export type PriceContext = {
  /** Tier that the provider says it used, else the one asked for; "" for the standard one. */
  readonly serviceTier: string;
  readonly priceListVersion: string;
};

/** What the usage of one attempt costs at these prices. Compiles the rows: on a hot path keep a `Tariff` instead. */
export function priceUsage(usage: Usage, prices: readonly Price[], context: PriceContext): Cost {
  return priceWithTariff(usage, compileTariff(prices, context.priceListVersion, context.serviceTier));
}

/** The same with compiled prices. */
export function priceWithTariff(usage: Usage, tariff: Tariff): Cost {
  const bill = createBill(tariff, usage.inputTokens ?? 0);
  billInputTokens(bill, usage);
  billOutputTokens(bill, usage);
  billOtherUnits(bill, usage);
  if (tariff.byMeter.has(Meter.REQUESTS)) addLine(bill, Meter.REQUESTS, 1);
  if (tariff.isTierUnpriced) bill.incomplete = true;
  return {
    $typeName: "llmgateway.v1.Cost",
    totalNanoUsd: bill.totalNanoUsd,
    items: bill.items,
    priceListVersion: tariff.version,
    incomplete: bill.incomplete,
  };
}

/** `quantity` × price ÷ 1,000,000, rounded half away from zero. */
export function toAmountNanoUsd(quantity: bigint, nanoUsdPerMillion: bigint): bigint {
  const product = quantity * nanoUsdPerMillion;
  return (product < 0n ? product - 500_000n : product + 500_000n) / 1_000_000n;
}

type Bill = {
  readonly tariff: Tariff;
  /** Decides which long-context price applies, for every meter of the request. */
  readonly requestInputTokens: number;
  readonly items: CostItem[];
  totalNanoUsd: bigint;
  incomplete: boolean;
};

function createBill(tariff: Tariff, requestInputTokens: number): Bill {
  return { tariff, requestInputTokens, items: [], totalNanoUsd: 0n, incomplete: false };
}

/**
 * Input is one total and subsets of it. Cache reads and writes have lines of their own; audio and images too where they
 * have a price of their own; the rest is plain input. Providers do not say how much of the audio was cached: where the
 * subsets together pass the total, the overlap is taken to be cached and is billed as such, once.
 */
function billInputTokens(bill: Bill, usage: Usage): void {
  const cacheRead = usage.cacheReadInputTokens ?? 0;
  const cacheWrite = usage.cacheWriteInputTokens ?? sumOfWrites(usage);
  addLine(bill, Meter.CACHE_READ_INPUT_TOKENS, cacheRead);
  billCacheWrites(bill, usage, cacheWrite);
  if (usage.inputTokens === undefined) {
    // Nothing else tells how much came in: what a known price would make of it is unknown, so not free.
    if (bill.tariff.byMeter.has(Meter.INPUT_TOKENS) && !hasOtherInputUnits(usage)) bill.incomplete = true;
    return;
  }
  const uncached = Math.max(0, usage.inputTokens - cacheRead - cacheWrite);
  const audio = ownPricedPart(bill, Meter.AUDIO_INPUT_TOKENS, usage.audioInputTokens, uncached);
  addLine(bill, Meter.AUDIO_INPUT_TOKENS, audio);
  const image = ownPricedPart(bill, Meter.IMAGE_INPUT_TOKENS, usage.imageInputTokens, uncached - audio);
  addLine(bill, Meter.IMAGE_INPUT_TOKENS, image);
  addLine(bill, Meter.INPUT_TOKENS, uncached - audio - image);
}

function billOutputTokens(bill: Bill, usage: Usage): void {
  if (usage.outputTokens === undefined) {
    if (bill.tariff.byMeter.has(Meter.OUTPUT_TOKENS) && !hasOtherOutputUnits(usage)) bill.incomplete = true;
    return;
  }
  const audio = ownPricedPart(bill, Meter.AUDIO_OUTPUT_TOKENS, usage.audioOutputTokens, usage.outputTokens);
  addLine(bill, Meter.AUDIO_OUTPUT_TOKENS, audio);
  const rest = usage.outputTokens - audio;
  const image = ownPricedPart(bill, Meter.IMAGE_OUTPUT_TOKENS, usage.imageOutputTokens, rest);
  addLine(bill, Meter.IMAGE_OUTPUT_TOKENS, image);
  addLine(bill, Meter.OUTPUT_TOKENS, rest - image);
}

/** Writes without a known time to live are billed at the price without one, as is a time to live without its own price. */
function billCacheWrites(bill: Bill, usage: Usage, cacheWrite: number): void {
  let unsplit = cacheWrite;
  for (const write of usage.cacheWrites) {
    const own = write.ttl === undefined ? undefined : bill.tariff.cacheWriteByTtl.get(Number(write.ttl.seconds));
    addRateLine(bill, Meter.CACHE_WRITE_INPUT_TOKENS, "", write.inputTokens, own ?? anyCacheWriteRate(bill));
    unsplit -= write.inputTokens;
  }
  addRateLine(bill, Meter.CACHE_WRITE_INPUT_TOKENS, "", unsplit, anyCacheWriteRate(bill));
}

function anyCacheWriteRate(bill: Bill): Rate | undefined {
  return bill.tariff.byMeter.get(Meter.CACHE_WRITE_INPUT_TOKENS);
}

/** Images, audio by time, characters and search units, and the tools which the provider ran. */
function billOtherUnits(bill: Bill, usage: Usage): void {
  const areInputTokensBilled = usage.inputTokens !== undefined && bill.tariff.byMeter.has(Meter.INPUT_TOKENS);
  const areOutputTokensBilled =
    (usage.imageOutputTokens !== undefined && bill.tariff.byMeter.has(Meter.IMAGE_OUTPUT_TOKENS)) ||
    (usage.outputTokens !== undefined && bill.tariff.byMeter.has(Meter.OUTPUT_TOKENS));
  const milliseconds = toMilliseconds(usage.inputAudioDuration) + toMilliseconds(usage.outputAudioDuration);
  // These units are other measures of what tokens measure too: a provider that bills the tokens does not bill them again.
  addUnlessCovered(bill, Meter.IMAGES, usage.generatedImages ?? 0, areOutputTokensBilled);
  addUnlessCovered(bill, Meter.AUDIO_MILLISECONDS, milliseconds, areInputTokensBilled || areOutputTokensBilled);
  addUnlessCovered(bill, Meter.CHARACTERS, usage.inputCharacters ?? 0, areInputTokensBilled);
  addUnlessCovered(bill, Meter.SEARCH_UNITS, usage.searchUnits ?? 0, areInputTokensBilled);
  for (const tool in usage.providerToolCalls) {
    const rate = bill.tariff.byTool.get(tool) ?? bill.tariff.byMeter.get(Meter.PROVIDER_TOOL_CALLS);
    addRateLine(bill, Meter.PROVIDER_TOOL_CALLS, tool, usage.providerToolCalls[tool] ?? 0, rate);
  }
}

function addUnlessCovered(bill: Bill, meter: Meter, quantity: number, isCovered: boolean): void {
  if (quantity > 0 && isCovered && !bill.tariff.byMeter.has(meter)) return;
  addLine(bill, meter, quantity);
}

/** Tokens of a modality that are billed apart: none when the modality has no price of its own. */
function ownPricedPart(bill: Bill, meter: Meter, tokens: number | undefined, atMost: number): number {
  if (tokens === undefined || !bill.tariff.byMeter.has(meter)) return 0;
  return Math.max(0, Math.min(tokens, atMost));
}

function addLine(bill: Bill, meter: Meter, quantity: number): void {
  if (quantity > 0) addRateLine(bill, meter, "", quantity, bill.tariff.byMeter.get(meter));
}

function addRateLine(bill: Bill, meter: Meter, tool: string, quantity: number, rate: Rate | undefined): void {
  if (quantity <= 0) return;
  const nanoUsdPerMillion = rateAt(rate, bill.requestInputTokens);
  if (nanoUsdPerMillion === undefined) {
    bill.incomplete = true;
    return;
  }
  const units = BigInt(quantity);
  const amountNanoUsd = toAmountNanoUsd(units, nanoUsdPerMillion);
  bill.totalNanoUsd += amountNanoUsd;
  bill.items.push({
    $typeName: "llmgateway.v1.CostItem",
    meter,
    quantity: units,
    nanoUsdPerMillion,
    amountNanoUsd,
    tool,
  });
}

function sumOfWrites(usage: Usage): number {
  let sum = 0;
  for (const write of usage.cacheWrites) sum += write.inputTokens;
  return sum;
}

function hasOtherInputUnits(usage: Usage): boolean {
  return (
    usage.inputAudioDuration !== undefined || usage.inputCharacters !== undefined || usage.searchUnits !== undefined
  );
}

function hasOtherOutputUnits(usage: Usage): boolean {
  return usage.outputAudioDuration !== undefined || usage.generatedImages !== undefined;
}

/** Started milliseconds count whole. */
function toMilliseconds(duration: Usage["inputAudioDuration"]): number {
  return duration === undefined ? 0 : Number(duration.seconds) * 1000 + Math.ceil(duration.nanos / 1_000_000);
}
