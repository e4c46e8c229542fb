// What providers say that attempts cost, beside what our prices say. The bill is ours; a difference means that the price
// list is old or that a discount is missing in it, and an operator should know.

import { costDrift, formatDrift } from "../domain/cost-drift.ts";
import type { CallRecord } from "../pipeline/ports.ts";
import { labelKey } from "./label-sets.ts";
import type { Log } from "./logger.ts";
import type { GaugeSample, Metrics } from "./metrics.ts";

export type ReportedCostsOptions = {
  readonly log: Pick<Log, "logger">;
  /** Drift above which is warned, either way, e.g. 0.05 for 5 %. */
  readonly threshold: number;
  /** Unix milliseconds. */
  readonly nowMs: () => number;
  /** Most pairs of provider and model; default 1000. What comes later is not watched. */
  readonly pairsMax?: number | undefined;
};

type Pair = {
  readonly provider: string;
  readonly model: string;
  reportedNanoUsd: bigint;
  comparedNanoUsd: bigint;
  /** Since the last look: what the warning goes by. */
  recent: { sinceMs: number; attempts: number; reportedNanoUsd: bigint; comparedNanoUsd: bigint };
};

const pairsMaxDefault = 1_000;
/** A pair is looked at when this much time and this many attempts have passed: at most one warning an hour for each. */
const lookMs = 3_600_000;
const attemptsMin = 20;

export class ReportedCosts {
  readonly #options: ReportedCostsOptions;
  readonly #pairs = new Map<string, Pair>();

  constructor(options: ReportedCostsOptions) {
    this.#options = options;
  }

  record({ event }: CallRecord): void {
    if (event.cost?.reportedNanoUsd === undefined) return;
    for (const { provider, providerModel, reportedCostNanoUsd, costNanoUsd } of event.attempts) {
      if (reportedCostNanoUsd === undefined) continue;
      const pair = this.#pairOf(provider, providerModel);
      if (pair !== undefined) this.#add(pair, reportedCostNanoUsd, costNanoUsd);
    }
  }

  /** Two counters, by provider and by the model that was sent. */
  addTo(metrics: Metrics): void {
    const counter = (name: string, help: string, value: (pair: Pair) => bigint): void =>
      metrics.addGauge({ name, help, type: "counter", collect: () => this.#samples(value) });
    counter(
      "llmgateway_reported_cost_nano_usd_total",
      "What providers say that their attempts cost, in nano-USD.",
      (pair) => pair.reportedNanoUsd,
    );
    counter(
      "llmgateway_compared_cost_nano_usd_total",
      "What the same attempts cost by our prices, in nano-USD.",
      (pair) => pair.comparedNanoUsd,
    );
  }

  #samples(value: (pair: Pair) => bigint): readonly GaugeSample[] {
    return Array.from(this.#pairs.values(), (pair) => ({
      labels: { provider: pair.provider, model: pair.model },
      value: Number(value(pair)),
    }));
  }

  #pairOf(provider: string, model: string): Pair | undefined {
    const key = labelKey(provider, model);
    const known = this.#pairs.get(key);
    if (known !== undefined || this.#pairs.size >= (this.#options.pairsMax ?? pairsMaxDefault)) return known;
    const pair = { provider, model, reportedNanoUsd: 0n, comparedNanoUsd: 0n, recent: this.#fromNow() };
    this.#pairs.set(key, pair);
    return pair;
  }

  #fromNow(): Pair["recent"] {
    return { sinceMs: this.#options.nowMs(), attempts: 0, reportedNanoUsd: 0n, comparedNanoUsd: 0n };
  }

  #add(pair: Pair, reportedNanoUsd: bigint, comparedNanoUsd: bigint): void {
    pair.reportedNanoUsd += reportedNanoUsd;
    pair.comparedNanoUsd += comparedNanoUsd;
    const { recent } = pair;
    recent.attempts += 1;
    recent.reportedNanoUsd += reportedNanoUsd;
    recent.comparedNanoUsd += comparedNanoUsd;
    const ageMs = this.#options.nowMs() - recent.sinceMs;
    if (recent.attempts < attemptsMin || ageMs < lookMs) return;
    pair.recent = this.#fromNow();
    const drift = costDrift(recent.reportedNanoUsd, recent.comparedNanoUsd);
    if (drift === undefined || Math.abs(drift) <= this.#options.threshold) return;
    this.#options.log.logger.warn(
      {
        provider: pair.provider,
        model: pair.model,
        attempts: recent.attempts,
        reported_nano_usd: String(recent.reportedNanoUsd),
        billed_nano_usd: String(recent.comparedNanoUsd),
        drift: formatDrift(recent.reportedNanoUsd, recent.comparedNanoUsd),
      },
      "a provider reports other costs than our prices give: look at prices.overrides",
    );
  }
}
