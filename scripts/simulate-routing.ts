// `npm run simulate:routing`: hours of virtual traffic over three targets, one of which is dead, slow, cuts its answers off
// or is rate-limited; each strategy against the best possible choice. The seed is fixed, so the figures are the same each
// time. `--hours N`: virtual hours of each run (default 1). Fails when fewer than 99.9 % of the calls succeed.
import { parseArgs } from "node:util";
import { bestChoice } from "../src/routing/simulation/best-choice.ts";
import { scenarioOf, targetNames, type Weather, weathers } from "../src/routing/simulation/scenarios.ts";
import { type Policy, type Scenario, simulate } from "../src/routing/simulation/simulate.ts";

const callsPerSecond = 6;
const successRatioMin = 0.999;

const policies: readonly (Policy & { readonly name: string })[] = [
  { name: "priority", strategy: "priority" },
  { name: "priority, hedged", strategy: "priority", hedgeDelayMs: 0 },
  { name: "weighted", strategy: "weighted" },
  { name: "cost", strategy: "cost" },
  { name: "latency", strategy: "latency" },
  { name: "throughput", strategy: "throughput" },
  { name: "least_busy", strategy: "least_busy" },
];

const { values } = parseArgs({ options: { hours: { type: "string", default: "1" } } });
const hours = Number(values.hours);
if (!(hours > 0 && hours <= 168)) throw new Error("--hours must be above 0 and at most 168");

let worst = 1;
for (const weather of weathers) {
  const afflicted = weather === "calm" ? [0] : targetNames.keys();
  for (const index of afflicted) report(weather, index);
}
console.log(`lowest success rate of all: ${percent(worst)} (at least ${percent(successRatioMin)} wanted)`);
process.exitCode = worst >= successRatioMin ? 0 : 1;

function report(weather: Weather, afflicted: number): void {
  const scenario = scenarioOf(weather, afflicted, hours * 3_600_000, callsPerSecond);
  const best = bestChoice(scenario);
  console.log(weather === "calm" ? "calm" : `${targetNames[afflicted]} is ${weather}`);
  console.log(row("", "success", "attempts", "cost µ$", "× best", "mean ms", "× best", "p50 ms", "p99 ms"));
  for (const policy of policies) reportPolicy(scenario, policy, best);
  const cost = (best.meanCostNanoUsd / 1_000).toFixed(0);
  console.log(
    row("best possible", percent(best.succeeded), "1.00", cost, "", best.meanLatencyMs.toFixed(0), "", "", ""),
  );
  console.log();
}

function reportPolicy(
  scenario: Scenario,
  policy: (typeof policies)[number],
  best: ReturnType<typeof bestChoice>,
): void {
  const outcome = simulate(scenario, policy);
  const successRatio = outcome.succeeded / outcome.calls;
  worst = Math.min(worst, successRatio);
  console.log(
    row(
      policy.name,
      percent(successRatio),
      (outcome.attempts / outcome.calls).toFixed(2),
      (outcome.meanCostNanoUsd / 1_000).toFixed(0),
      (outcome.meanCostNanoUsd / best.meanCostNanoUsd).toFixed(2),
      outcome.meanLatencyMs.toFixed(0),
      (outcome.meanLatencyMs / best.meanLatencyMs).toFixed(2),
      outcome.latencyMsP50.toFixed(0),
      outcome.latencyMsP99.toFixed(0),
    ),
  );
}

function percent(ratio: number): string {
  return `${(ratio * 100).toFixed(3)} %`;
}

function row(name: string, ...cells: readonly string[]): string {
  return name.padEnd(18) + cells.map((cell) => cell.padStart(11)).join("");
}
