import type { UsageEvent } from "../contract.ts";

/** Attempts of one provider and model whose provider said what they cost. Nano-USD as text, since JSON has no such integers. */
export type ReportedCost = {
  readonly provider: string;
  readonly model: string;
  readonly attempts: number;
  readonly reportedNanoUsd: string;
  /** By our prices. */
  readonly comparedNanoUsd: string;
};

type Sums = { readonly provider: string; readonly model: string; attempts: number; reported: bigint; compared: bigint };

export class ReportedCostSums {
  readonly #sums = new Map<string, Sums>();

  add({ attempts }: UsageEvent): void {
    for (const { provider, providerModel: model, reportedCostNanoUsd, costNanoUsd } of attempts) {
      if (reportedCostNanoUsd === undefined) continue;
      const key = JSON.stringify([provider, model]);
      const sums = this.#sums.get(key) ?? { provider, model, attempts: 0, reported: 0n, compared: 0n };
      sums.attempts += 1;
      sums.reported += reportedCostNanoUsd;
      sums.compared += costNanoUsd;
      this.#sums.set(key, sums);
    }
  }

  /** By provider and model. */
  get sums(): readonly ReportedCost[] {
    return [...this.#sums.values()]
      .map(({ provider, model, attempts, reported, compared }) => ({
        provider,
        model,
        attempts,
        reportedNanoUsd: String(reported),
        comparedNanoUsd: String(compared),
      }))
      .sort((a, b) => (`${a.provider} ${a.model}` < `${b.provider} ${b.model}` ? -1 : 1));
  }
}
