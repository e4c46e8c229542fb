// Converts the price data of @pydantic/genai-prices into `src/catalogue/prices/`: one file a provider, rows of the contract in
// integer nano-USD. Done ahead because importing that package costs 30 ms at start and 830 kB of code, and because a price list
// that bills people is reviewed as a diff. Run after an update of the package: `node scripts/build-catalogue.ts`.
import { readFileSync, writeFileSync } from "node:fs";
import {
  type ConditionalPrice,
  findProvider,
  type MatchLogic,
  type ModelInfo,
  type ModelPrice,
  type TieredPrices,
} from "@pydantic/genai-prices";

/** Providers of the data that the gateway can name (`src/catalogue/source-names.ts`). */
const providerIds = [
  "anthropic",
  "aws",
  "azure",
  "baseten",
  "cerebras",
  "cohere",
  "deepseek",
  "fireworks",
  "google",
  "groq",
  "minimax",
  "mistral",
  "moonshotai",
  "novita",
  "openai",
  "openrouter",
  "perplexity",
  "together",
  "voyageai",
  "x-ai",
  "zai",
];

type Row = { meter: string; nano: number; above?: number; ttl?: number; tool?: string };

/** Units of the data that the contract counts; what is missing here is listed in `withoutMeter`. */
const meterByUnit: Readonly<Record<string, string>> = {
  input_mtok: "INPUT_TOKENS",
  cache_read_mtok: "CACHE_READ_INPUT_TOKENS",
  cache_write_mtok: "CACHE_WRITE_INPUT_TOKENS",
  cache_write_1h_mtok: "CACHE_WRITE_INPUT_TOKENS",
  output_mtok: "OUTPUT_TOKENS",
  input_audio_mtok: "AUDIO_INPUT_TOKENS",
  output_audio_mtok: "AUDIO_OUTPUT_TOKENS",
  input_image_mtok: "IMAGE_INPUT_TOKENS",
  output_image_mtok: "IMAGE_OUTPUT_TOKENS",
  audio_hours: "AUDIO_MILLISECONDS",
  requests_kcount: "REQUESTS",
};

/** Names under which providers report the calls of a priced tool. */
const toolsByUnit: Readonly<Record<string, readonly string[]>> = {
  web_searches_kcount: ["web_search", "google_search"],
  storage_searches_kcount: ["file_search"],
};

/** The contract has no meter for these: reasoning at a price of its own, pages, messages, video, cached audio. */
const withoutMeter = new Set([
  "input_audio_hours", // Repeats `audio_hours`.
  "input_video_mtok",
  "output_video_mtok",
  "cache_audio_read_mtok",
  "cache_image_read_mtok",
  "input_document_kpages",
  "input_annotated_document_kpages",
  "input_text_messages_kcount",
  "output_reasoning_mtok",
  "output_citation_mtok",
]);

const packageFile = new URL("../node_modules/@pydantic/genai-prices/package.json", import.meta.url);
const outputFolder = new URL("../src/catalogue/prices/", import.meta.url);

const { version } = JSON.parse(readFileSync(packageFile, "utf8"));
for (const id of providerIds) {
  const models = toModels(id);
  const text = JSON.stringify({
    source: `@pydantic/genai-prices ${version}`,
    version: `genai-prices-${version}`,
    licence: "MIT, Pydantic Services Inc.",
    models,
  });
  // One model a line: an update is then read in a review model by model.
  writeFileSync(new URL(`${id}.json`, outputFolder), `${text.replaceAll('{"id"', '\n{"id"')}\n`);
  console.log(`${id}: ${models.length} models, ${text.length} bytes`);
}

function toModels(providerId: string): readonly object[] {
  const provider = findProvider({ providerId });
  if (provider?.id !== providerId) throw new Error(`the data has no provider ${providerId}`);
  return provider.models.map(toModel).filter((model) => model.prices.some((price) => price.rows.length > 0));
}

function toModel(model: ModelInfo) {
  const listed: readonly ConditionalPrice[] = Array.isArray(model.prices) ? model.prices : [{ prices: model.prices }];
  const match: MatchLogic = model.match;
  return {
    id: model.id,
    match,
    ...(model.context_window === undefined ? {} : { contextWindow: model.context_window }),
    prices: listed.map(({ constraint, prices }) => ({
      ...(constraint?.type === "start_date" ? { from: constraint.start_date } : {}),
      ...(constraint?.type === "time_of_date" ? { daily: [constraint.start_time, constraint.end_time] } : {}),
      rows: toRows(model.id, prices),
    })),
  };
}

function toRows(modelId: string, prices: ModelPrice): Row[] {
  const rows: Row[] = [];
  for (const [unit, value] of Object.entries(prices)) {
    if (value === undefined || withoutMeter.has(unit)) continue;
    rows.push(...toUnitRows(unit, value));
  }
  addCacheWriteOfOneHour(modelId, rows);
  addCacheAtInputPrice(rows);
  return rows;
}

function toUnitRows(unit: string, value: number | TieredPrices): Row[] {
  const tools = toolsByUnit[unit];
  if (tools !== undefined) {
    if (typeof value !== "number") throw new Error(`${unit} has steps`);
    return tools.map((tool) => ({ meter: "PROVIDER_TOOL_CALLS", nano: toNano(value, 1000), tool }));
  }
  const meter = meterByUnit[unit];
  if (meter === undefined) throw new Error(`no meter is known for ${unit}`);
  const ttl = unit === "cache_write_1h_mtok" ? { ttl: 3600 } : {};
  const unitsPerPrice = unit === "audio_hours" ? 3_600_000 : unit === "requests_kcount" ? 1000 : 1_000_000;
  if (typeof value === "number") return [{ meter, nano: toNano(value, unitsPerPrice), ...ttl }];
  return [
    { meter, nano: toNano(value.base, unitsPerPrice), ...ttl },
    ...value.tiers.map((tier) => ({ meter, nano: toNano(tier.price, unitsPerPrice), above: tier.start, ...ttl })),
  ];
}

/** USD for so many units → nano-USD for one million units. */
function toNano(usd: number, units: number): number {
  return Math.round((usd * 1e9 * 1e6) / units);
}

/**
 * Anthropic bills writes that live one hour at twice the input price, whoever hosts the model; where the data has only
 * the five-minute price, an hour would be billed too low.
 * https://platform.claude.com/docs/en/build-with-claude/prompt-caching#pricing
 */
function addCacheWriteOfOneHour(modelId: string, rows: Row[]): void {
  const isWritten = rows.some((row) => row.meter === "CACHE_WRITE_INPUT_TOKENS");
  const hasHour = rows.some((row) => row.ttl === 3600);
  if (!modelId.includes("claude") || !isWritten || hasHour) return;
  const input = rows.filter((row) => row.meter === "INPUT_TOKENS");
  for (const row of input) rows.push({ ...row, meter: "CACHE_WRITE_INPUT_TOKENS", nano: row.nano * 2, ttl: 3600 });
}

/** Who lists no price for cached tokens bills them as input. */
function addCacheAtInputPrice(rows: Row[]): void {
  const input = rows.filter((row) => row.meter === "INPUT_TOKENS");
  for (const meter of ["CACHE_READ_INPUT_TOKENS", "CACHE_WRITE_INPUT_TOKENS"]) {
    if (rows.some((row) => row.meter === meter)) continue;
    rows.push(...input.map((row) => ({ ...row, meter })));
  }
}
