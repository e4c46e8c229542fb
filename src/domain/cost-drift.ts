/** How far what providers report is from what our prices say: 0.02 when they report 2 % more. `undefined`: nothing to compare. */
export function costDrift(reportedNanoUsd: bigint, comparedNanoUsd: bigint): number | undefined {
  if (comparedNanoUsd === 0n) return reportedNanoUsd === 0n ? undefined : Number.POSITIVE_INFINITY;
  return Number(reportedNanoUsd - comparedNanoUsd) / Number(comparedNanoUsd);
}

/** "+2.0 %"; "-" when there is nothing to compare, "no price" when we have none. */
export function formatDrift(reportedNanoUsd: bigint, comparedNanoUsd: bigint): string {
  const drift = costDrift(reportedNanoUsd, comparedNanoUsd);
  if (drift === undefined) return "-";
  if (!Number.isFinite(drift)) return "no price";
  return `${drift < 0 ? "" : "+"}${(drift * 100).toFixed(1)} %`;
}
