import type { BudgetConfig } from "../../config/config.ts";

/** A threshold of a budget was passed. */
export type BudgetAlert = {
  readonly budgetId: string;
  /** E.g. "team/platform". */
  readonly subject: string;
  readonly periodId: string;
  /** Fraction of the limit, e.g. 0.8. */
  readonly threshold: number;
  readonly spentNanoUsd: bigint;
  readonly limitNanoUsd: bigint;
};

/**
 * Watches the spending of one budget and tells of each threshold once a period. Instances tell each for itself: who
 * listens drops doubles by budget, subject, period and threshold.
 */
export function createAlertWatch(
  budget: BudgetConfig,
  subject: string,
  onAlert: (alert: BudgetAlert) => void,
): (spentNanoUsd: bigint, periodId: string) => void {
  const limitNanoUsd = budget.softNanoUsd ?? budget.hardNanoUsd ?? 0n;
  const thresholds = budget.alertAt
    .map((threshold) => ({ threshold, fromNanoUsd: (limitNanoUsd * BigInt(Math.round(threshold * 1e6))) / 1_000_000n }))
    .sort((a, b) => a.threshold - b.threshold);
  let watchedPeriod = "";
  let passed = 0;
  return (spentNanoUsd, periodId) => {
    if (periodId < watchedPeriod) return; // A late call of the period before.
    if (periodId !== watchedPeriod) {
      watchedPeriod = periodId;
      passed = 0;
    }
    for (
      let next = thresholds[passed];
      next !== undefined && spentNanoUsd >= next.fromNanoUsd;
      next = thresholds[passed]
    ) {
      passed++;
      onAlert({ budgetId: budget.id, subject, periodId, threshold: next.threshold, spentNanoUsd, limitNanoUsd });
    }
  };
}
