// The operator's prices: `prices.overrides`, a YAML list. Everything that is wrong is reported at once with its line, and
// nothing of a file with a fault is used: to bill by half of a list would be to bill by a wrong one.
import { createHash } from "node:crypto";
import { isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, type YAMLMap } from "yaml";
import { Meter, type Price } from "../contract.ts";
import type { PriceOverride } from "./price-override.ts";

/** One thing that is wrong, where. */
export type PriceProblem = { readonly line: number; readonly message: string };

export class PriceOverridesError extends Error {
  override readonly name = "PriceOverridesError";
  readonly problems: readonly PriceProblem[];

  constructor(file: string, problems: readonly PriceProblem[]) {
    super(problems.map(({ line, message }) => `${file}:${line}: ${message}`).join("\n"));
    this.problems = problems;
  }
}

const limits = { textLengthMax: 16 * 1024 * 1024, problemsMax: 100 } as const;

/** Nano-USD per million units, by field. `cache_write` is for writes of any time to live that has no price of its own. */
const priceFields = {
  input: { meter: Meter.INPUT_TOKENS },
  output: { meter: Meter.OUTPUT_TOKENS },
  cache_read: { meter: Meter.CACHE_READ_INPUT_TOKENS },
  cache_write: { meter: Meter.CACHE_WRITE_INPUT_TOKENS },
  cache_write_5m: { meter: Meter.CACHE_WRITE_INPUT_TOKENS, ttlSeconds: 300n },
  cache_write_1h: { meter: Meter.CACHE_WRITE_INPUT_TOKENS, ttlSeconds: 3600n },
  audio_input: { meter: Meter.AUDIO_INPUT_TOKENS },
  audio_output: { meter: Meter.AUDIO_OUTPUT_TOKENS },
  image_input: { meter: Meter.IMAGE_INPUT_TOKENS },
  image_output: { meter: Meter.IMAGE_OUTPUT_TOKENS },
  images: { meter: Meter.IMAGES },
  audio_milliseconds: { meter: Meter.AUDIO_MILLISECONDS },
  characters: { meter: Meter.CHARACTERS },
  search_units: { meter: Meter.SEARCH_UNITS },
  requests: { meter: Meter.REQUESTS },
} as const satisfies Record<string, { readonly meter: Meter; readonly ttlSeconds?: bigint }>;

const conditionFields = ["provider", "model", "project", "from", "service_tier", "above_input_tokens", "tool_calls"];

/**
 * Reads the list; entries for the same provider, model, project and `from` that differ in `service_tier` or
 * `above_input_tokens` together make one price. Throws `PriceOverridesError` with every problem. `file` is for messages.
 */
export function parsePriceOverrides(text: string, file: string): readonly PriceOverride[] {
  const lines = new LineCounter();
  if (text.length > limits.textLengthMax)
    throw new PriceOverridesError(file, [{ line: 1, message: "the file is too long" }]);
  const document = parseDocument(text, { lineCounter: lines });
  const problems: PriceProblem[] = [];
  const lineOf = (node: unknown) => lines.linePos(rangeStart(node)).line;
  const report: Report = (node, message) => {
    if (problems.length < limits.problemsMax) problems.push({ line: lineOf(node), message });
  };
  for (const error of document.errors)
    problems.push({ line: lines.linePos(error.pos[0]).line, message: firstLine(error) });
  const entries: Entry[] = [];
  if (problems.length === 0 && document.contents !== null) {
    if (isSeq(document.contents)) {
      for (const item of document.contents.items) {
        const entry = toEntry(item, report);
        if (entry !== undefined) entries.push(entry);
      }
    } else report(document.contents, "a list of prices is expected");
  }
  const version = `overrides-${createHash("sha256").update(text).digest("hex").slice(0, 12)}`;
  const overrides = merge(entries, version, report);
  if (problems.length > 0) throw new PriceOverridesError(file, problems);
  return overrides;
}

type Report = (node: unknown, message: string) => void;

type Entry = {
  readonly node: YAMLMap;
  readonly provider: string;
  readonly model: string;
  readonly projectId: string | undefined;
  readonly fromMs: number;
  readonly prices: readonly Price[];
};

function toEntry(node: unknown, report: Report): Entry | undefined {
  if (!isMap(node)) {
    report(node, "an entry { provider, model, … } is expected");
    return undefined;
  }
  reportUnknownFields(node, report);
  const prices = [...toPrices(node, report), ...toToolPrices(node, report)];
  if (prices.length === 0) report(node, "the entry has no price");
  return {
    node,
    provider: readText(node, "provider", report) ?? missing(node, "provider", report),
    model: readText(node, "model", report) ?? missing(node, "model", report),
    projectId: readText(node, "project", report),
    fromMs: readFrom(node, report),
    prices,
  };
}

function reportUnknownFields(node: YAMLMap, report: Report): void {
  for (const { key } of node.items) {
    const name = isScalar(key) ? String(key.value) : "?";
    if (!(conditionFields.includes(name) || Object.hasOwn(priceFields, name))) report(key, `unknown field "${name}"`);
  }
}

function toPrices(node: YAMLMap, report: Report): readonly Price[] {
  const conditions = readConditions(node, report);
  const prices: Price[] = [];
  for (const [name, field] of Object.entries(priceFields)) {
    const nanoUsdPerMillion = readNanoUsd(node.get(name, true), name, report);
    if (nanoUsdPerMillion === undefined) continue;
    const ttl = "ttlSeconds" in field ? { cacheTtl: toDuration(field.ttlSeconds) } : {};
    prices.push({
      $typeName: "llmgateway.v1.Price",
      meter: field.meter,
      nanoUsdPerMillion,
      ...conditions,
      ...ttl,
      tool: "",
    });
  }
  return prices;
}

function toToolPrices(node: YAMLMap, report: Report): readonly Price[] {
  const tools = node.get("tool_calls", true);
  if (tools === undefined) return [];
  if (!isMap(tools)) {
    report(tools, "tool_calls: a map from tool name to price is expected");
    return [];
  }
  const conditions = readConditions(node, () => {}); // Reported with the other prices of the entry.
  return tools.items.flatMap(({ key, value }) => {
    const tool = isScalar(key) ? String(key.value) : "";
    const nanoUsdPerMillion = readNanoUsd(value ?? undefined, `tool_calls.${tool}`, report);
    if (nanoUsdPerMillion === undefined) return [];
    const meter = Meter.PROVIDER_TOOL_CALLS;
    return [{ $typeName: "llmgateway.v1.Price" as const, meter, nanoUsdPerMillion, ...conditions, tool }];
  });
}

function readConditions(node: YAMLMap, report: Report): { serviceTier: string; aboveInputTokens?: number } {
  const serviceTier = readText(node, "service_tier", report) ?? "";
  const above = node.get("above_input_tokens");
  if (above === undefined) return { serviceTier };
  if (typeof above === "number" && Number.isInteger(above) && above >= 0 && above <= 2_147_483_647) {
    return { serviceTier, aboveInputTokens: above };
  }
  report(node.get("above_input_tokens", true), "above_input_tokens: a whole number of tokens is expected");
  return { serviceTier };
}

function readNanoUsd(node: unknown, name: string, report: Report): bigint | undefined {
  if (node === undefined) return undefined;
  const value = isScalar(node) ? node.value : undefined;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return BigInt(value);
  report(node, `${name}: whole nano-USD per million units are expected, zero or more`);
  return undefined;
}

function readText(node: YAMLMap, name: string, report: Report): string | undefined {
  const value = node.get(name);
  if (value === undefined) return undefined;
  if (typeof value === "string" && value !== "") return value;
  report(node.get(name, true), `${name}: a text is expected`);
  return undefined;
}

function missing(node: YAMLMap, name: string, report: Report): string {
  if (!node.has(name)) report(node, `${name} is missing`);
  return "";
}

function readFrom(node: YAMLMap, report: Report): number {
  const value = node.get("from");
  if (value === undefined) return Number.NEGATIVE_INFINITY;
  const text = typeof value === "string" ? value : "";
  const isTime = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d+)?Z)?$/.test(text);
  const fromMs = isTime ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(fromMs)) return fromMs;
  report(node.get("from", true), "from: a date (2026-07-01) or a time in UTC (2026-07-01T00:00:00Z) is expected");
  return Number.NEGATIVE_INFINITY;
}

function merge(entries: readonly Entry[], version: string, report: Report): readonly PriceOverride[] {
  const byTarget = new Map<string, Entry[]>();
  for (const entry of entries) {
    const target = JSON.stringify([entry.provider, entry.model, entry.projectId ?? "", entry.fromMs]);
    const group = byTarget.get(target) ?? [];
    group.push(entry);
    byTarget.set(target, group);
  }
  return [...byTarget.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const prices = group.flatMap((entry) => entry.prices);
    reportDoubles(group, report);
    const { provider, model, projectId, fromMs } = first;
    return [{ provider, model, projectId, fromMs, prices: withCacheAtInputPrice(prices), version }];
  });
}

function reportDoubles(group: readonly Entry[], report: Report): void {
  const seen = new Set<string>();
  for (const entry of group) {
    for (const price of entry.prices) {
      const { meter, serviceTier, aboveInputTokens, cacheTtl, tool } = price;
      const slot = `${meter}/${serviceTier}/${aboveInputTokens ?? ""}/${cacheTtl?.seconds ?? ""}/${tool}`;
      if (seen.has(slot)) report(entry.node, "another entry already sets a price for the same units");
      seen.add(slot);
    }
  }
}

/** Who names no price for cached tokens is billed for them as input, as with the listed prices. */
function withCacheAtInputPrice(prices: readonly Price[]): readonly Price[] {
  const input = prices.filter((price) => price.meter === Meter.INPUT_TOKENS);
  const added = [Meter.CACHE_READ_INPUT_TOKENS, Meter.CACHE_WRITE_INPUT_TOKENS]
    .filter((meter) => !prices.some((price) => price.meter === meter))
    .flatMap((meter) => input.map((price) => ({ ...price, meter })));
  return [...prices, ...added];
}

function toDuration(seconds: bigint): NonNullable<Price["cacheTtl"]> {
  return { $typeName: "google.protobuf.Duration", seconds, nanos: 0 };
}

function rangeStart(node: unknown): number {
  const range = (isScalar(node) || isMap(node) || isSeq(node) ? (node satisfies Node) : undefined)?.range;
  return range?.[0] ?? 0;
}

function firstLine(error: Error): string {
  return error.message.split("\n")[0] ?? "unreadable";
}
