import type { Spending } from "./three-replicas.ts";

/** One line: what was limited, what was served of it, and under which faults. */
export function formatSpending(spending: Spending): string {
  const { what, limit, served, billed, overspent, unused, answers, refusals, replicaKills, natsKills, seconds } =
    spending;
  const unit = what === "budget" ? "nano-USD" : "tokens";
  return [
    `${what.padEnd(6)} ${limit} ${unit}: served ${served}, billed ${billed}, overspent ${overspent}`,
    `unused ${(unused * 100).toFixed(2)} %`,
    `${answers} answers, ${refusals} refusals`,
    `${replicaKills} replicas and ${natsKills} times NATS killed`,
    `${seconds.toFixed(1)} s`,
  ].join("; ");
}
