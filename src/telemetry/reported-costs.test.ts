import { beforeEach, expect, it } from "vitest";
import { createLogger } from "./logger.ts";
import { createMetrics } from "./metrics.ts";
import { readProcessFigures } from "./process-figures.ts";
import { ReportedCosts } from "./reported-costs.ts";
import { sampleCallRecord } from "./sample-call-record.ts";

const hourMs = 3_600_000;
let nowMs = 0;
let lines: string[] = [];
let costs: ReportedCosts;

beforeEach(() => {
  nowMs = 0;
  lines = [];
  const logger = createLogger("info", { write: (line) => lines.push(line) });
  costs = new ReportedCosts({ log: { logger }, threshold: 0.05, nowMs: () => nowMs, pairsMax: 2 });
});

/** `count` calls whose second attempt we price at 1,000 nano-USD; `reported` undefined: the provider says nothing. */
function record(count: number, reported: bigint | undefined, model = "claude-haiku-4-5"): void {
  const call = sampleCallRecord((event) => {
    const attempt = event.attempts[1];
    if (attempt === undefined || event.cost === undefined || reported === undefined) return;
    attempt.providerModel = model;
    attempt.costNanoUsd = 1_000n;
    attempt.reportedCostNanoUsd = reported;
    event.cost.reportedNanoUsd = reported;
  });
  for (let index = 0; index < count; index += 1) costs.record(call);
}

const warnings = () => lines.map((line) => JSON.parse(line)).map(({ model, drift }) => [model, drift]);

it("warns once an hour of a model whose provider reports other costs than ours, either way", () => {
  record(30, 1_100n);
  expect(warnings()).toEqual([]);
  nowMs = hourMs;
  record(1, 1_100n);
  record(20, 800n);
  expect(warnings()).toEqual([["claude-haiku-4-5", "+10.0 %"]]);
  nowMs = 2 * hourMs;
  record(1, 800n);
  expect(warnings().slice(1)).toEqual([["claude-haiku-4-5", "-20.0 %"]]);
});

it("says nothing of a difference within the threshold, of few attempts, or of calls without a report", () => {
  record(30, 1_040n);
  nowMs = hourMs;
  record(30, 1_040n);
  record(19, 2_000n, "rare");
  record(30, undefined);
  nowMs = 3 * hourMs;
  record(30, undefined);
  expect(warnings()).toEqual([]);
});

it("counts both sums by provider and model, and no more pairs than it may", () => {
  const metrics = createMetrics({ version: "1", processFigures: readProcessFigures });
  costs.addTo(metrics);
  record(3, 1_100n);
  record(1, 0n, "free");
  record(1, 9n, "one-too-many");
  const page = metrics.format();
  expect(page).toContain(
    'llmgateway_reported_cost_nano_usd_total{provider="anthropic",model="claude-haiku-4-5"} 3300\n',
  );
  expect(page).toContain(
    'llmgateway_compared_cost_nano_usd_total{provider="anthropic",model="claude-haiku-4-5"} 3000\n',
  );
  expect(page).toContain('llmgateway_reported_cost_nano_usd_total{provider="anthropic",model="free"} 0\n');
  expect(page).not.toContain("one-too-many");
});
