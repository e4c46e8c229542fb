// Model facts and prices: the operator's contracted prices first, then the simulator's, then the lists in `prices/`.
// A list is read when a model of its provider is first asked for, so that starting costs nothing; what was found is kept
// compiled for each target, project and tier, for as long as no other date or hour brings another price.
import type { Cost, Price, Usage } from "../contract.ts";
import type { ModelFacts } from "../domain/target.ts";
import { type MostConsumed, mostBilled } from "../metering/most-billed.ts";
import { priceWithTariff } from "../metering/price.ts";
import { compileTariff, type Tariff } from "../metering/tariff.ts";
import type { Catalogue, PriceQuery, Pricer } from "../pipeline/ports.ts";
import { pricesAt } from "./dated-prices.ts";
import { knownFacts } from "./known-facts.ts";
import { findListedModel, type ListedModel, type PriceList, readPriceList, toPrice } from "./price-list.ts";
import { findOverride, type PriceOverride } from "./price-override.ts";
import { dearerTiers, withServiceTiers } from "./service-tiers.ts";
import { isSimulated, simulatedPricesOf, simulatedPricesVersion } from "./simulated-prices.ts";
import { toPriceFiles } from "./source-names.ts";

export type CatalogueOptions = {
  /** From `parsePriceOverrides`; empty when the config names no file. */
  readonly overrides: readonly PriceOverride[];
};

const limits = { tariffsHeldMax: 10_000, modelsHeldMax: 10_000 } as const;

/** Prices with the time within which they stay the same. */
type Found = {
  readonly prices: readonly Price[] | undefined;
  readonly version: string;
  readonly fromMs: number;
  readonly untilMs: number;
};
type Held = Found & {
  readonly tariff: Tariff;
  /** That the provider may choose instead of the one asked for. */
  readonly dearerTiers: readonly string[];
};

/** Throws when a price of the overrides cannot be used: better no start than a wrong bill. */
export function createCatalogue(options: CatalogueOptions): Catalogue & Pricer {
  for (const { prices, version } of options.overrides) compileTariff(prices, version, "");
  const lists = new Map<string, PriceList>();
  const models = new Map<
    string,
    { readonly file: string; readonly version: string; readonly model: ListedModel } | undefined
  >();
  const held = new Map<string, Held>();

  function findListed(providerName: string, model: string) {
    const key = `${providerName}\n${model}`;
    if (models.has(key)) return models.get(key);
    const found = toPriceFiles(providerName)
      .map((file) => {
        const list = lists.get(file) ?? readPriceList(file);
        lists.set(file, list);
        const listed = findListedModel(list, model);
        return listed === undefined ? undefined : { file, version: list.version, model: listed };
      })
      .find((one) => one !== undefined);
    if (models.size >= limits.modelsHeldMax) models.clear();
    models.set(key, found);
    return found;
  }

  function findPrices(at: PriceQuery): Found {
    const { override, fromMs, untilMs } = findOverride(options.overrides, at);
    if (override !== undefined) return { prices: override.prices, version: override.version, fromMs, untilMs };
    if (isSimulated(at.providerName, at.model)) {
      return { prices: simulatedPricesOf(at.model), version: simulatedPricesVersion, fromMs, untilMs };
    }
    const listed = findListed(at.providerName, at.model);
    const current = listed === undefined ? undefined : pricesAt(listed.model.prices, at.atMs);
    if (listed === undefined || current === undefined) return { prices: undefined, version: "", fromMs, untilMs };
    return {
      prices: withServiceTiers(listed.file, at.model, current.rows.map(toPrice)),
      version: listed.version,
      fromMs: Math.max(fromMs, current.fromMs),
      untilMs: Math.min(untilMs, current.untilMs),
    };
  }

  function find(at: PriceQuery): Held {
    const key = `${at.providerId}\n${at.model}\n${at.projectId}\n${at.serviceTier}\n${at.providerName}`;
    const known = held.get(key);
    if (known !== undefined && at.atMs >= known.fromMs && at.atMs < known.untilMs) return known;
    const found = findPrices(at);
    const prices = found.prices ?? [];
    const tariff = compileTariff(prices, found.version, at.serviceTier);
    const fresh = { ...found, tariff, dearerTiers: dearerTiers(at.serviceTier, prices) };
    if (held.size >= limits.tariffsHeldMax) held.clear();
    held.set(key, fresh);
    return fresh;
  }

  return {
    facts(providerName: string, model: string): ModelFacts {
      const contextWindow = findListed(providerName, model)?.model.contextWindow;
      return { ...(contextWindow === undefined ? {} : { contextWindow }), ...knownFacts(model) };
    },
    price(usage: Usage, at: PriceQuery): Cost {
      const found = find(at);
      const cost = priceWithTariff(usage, found.tariff);
      // Without any price even a count that is not known would have cost something.
      return found.prices === undefined ? { ...cost, incomplete: true } : cost;
    },
    mostBilled(most: MostConsumed, at: PriceQuery): bigint | undefined {
      const asked = find(at);
      if (asked.prices === undefined) return undefined;
      let dearest = mostBilled(asked.tariff, most);
      for (const serviceTier of dearest === undefined ? [] : asked.dearerTiers) {
        const instead = mostBilled(find({ ...at, serviceTier }).tariff, most);
        if (instead !== undefined && dearest !== undefined && instead > dearest) dearest = instead;
      }
      return dearest;
    },
    prices(at: PriceQuery) {
      const found = find(at);
      return found.prices === undefined ? undefined : { prices: found.prices, version: found.version };
    },
  };
}
