// The shape of `prices/<provider>.json` and the search for a model in it. The files are made and committed by
// `scripts/build-catalogue.ts`, so they are checked there and by the tests, and believed here.
import { readFileSync } from "node:fs";
import { Meter, type Price } from "../contract.ts";

export type ModelMatch =
  | { readonly or: readonly ModelMatch[] }
  | { readonly and: readonly ModelMatch[] }
  | { readonly equals: string }
  | { readonly starts_with: string }
  | { readonly ends_with: string }
  | { readonly contains: string }
  | { readonly regex: string };

export type PriceListRow = {
  readonly meter: string;
  /** Nano-USD per million units. */
  readonly nano: number;
  /** Applies above this many input tokens. */
  readonly above?: number;
  /** Time to live of a cache write, in seconds. */
  readonly ttl?: number;
  readonly tool?: string;
};

export type DatedPrices = {
  /** First day on which they hold, YYYY-MM-DD in UTC. */
  readonly from?: string;
  /** Hours of each day within which they hold, "HH:MM:SSZ" twice; the end is not part of it. */
  readonly daily?: readonly [string, string];
  readonly rows: readonly PriceListRow[];
};

export type ListedModel = {
  readonly id: string;
  readonly match: ModelMatch;
  readonly contextWindow?: number;
  /** Of those that hold at a time, the last one applies. */
  readonly prices: readonly DatedPrices[];
};

export type PriceList = { readonly version: string; readonly models: readonly ListedModel[] };

/** Reads one committed list, e.g. "openai". Throws when the file is missing or unreadable: the installation is broken. */
export function readPriceList(file: string): PriceList {
  return JSON.parse(readFileSync(new URL(`./prices/${file}.json`, import.meta.url), "utf8"));
}

/** The entry of a model: the one with just this id, else the first whose pattern matches. Upper and lower case are alike. */
export function findListedModel(list: PriceList, model: string): ListedModel | undefined {
  const name = model.toLowerCase().trim();
  return list.models.find((entry) => entry.id === name) ?? list.models.find((entry) => isModelMatch(entry.match, name));
}

function isModelMatch(match: ModelMatch, name: string): boolean {
  if ("or" in match) return match.or.some((one) => isModelMatch(one, name));
  if ("and" in match) return match.and.every((one) => isModelMatch(one, name));
  if ("equals" in match) return name === match.equals.toLowerCase();
  if ("starts_with" in match) return name.startsWith(match.starts_with.toLowerCase());
  if ("ends_with" in match) return name.endsWith(match.ends_with.toLowerCase());
  if ("contains" in match) return name.includes(match.contains.toLowerCase());
  return new RegExp(match.regex).test(name);
}

/** A row as the contract has it. */
export function toPrice(row: PriceListRow): Price {
  return {
    $typeName: "llmgateway.v1.Price",
    meter: toMeter(row.meter),
    nanoUsdPerMillion: BigInt(row.nano),
    ...(row.above === undefined ? {} : { aboveInputTokens: row.above }),
    serviceTier: "",
    ...(row.ttl === undefined
      ? {}
      : { cacheTtl: { $typeName: "google.protobuf.Duration" as const, seconds: BigInt(row.ttl), nanos: 0 } }),
    tool: row.tool ?? "",
  };
}

function toMeter(name: string): Meter {
  const meter = Object.entries(Meter).find(([key]) => key === name)?.[1];
  if (typeof meter !== "number" || meter === Meter.UNSPECIFIED) throw new Error(`no meter is called ${name}`);
  return meter;
}
