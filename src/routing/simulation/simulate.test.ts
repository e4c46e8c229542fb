import { describe, expect, it } from "vitest";
import { bestChoice } from "./best-choice.ts";
import { EventQueue } from "./event-queue.ts";
import { scenarioOf, targetNames, weathers } from "./scenarios.ts";
import { type Policy, simulate } from "./simulate.ts";

const policies: readonly Policy[] = [
  { strategy: "priority" },
  { strategy: "priority", hedgeDelayMs: 0 },
  { strategy: "weighted" },
  { strategy: "cost" },
  { strategy: "latency" },
  { strategy: "throughput" },
  { strategy: "least_busy" },
];

const troubles = weathers.filter((weather) => weather !== "calm");
const minutes = 20;

describe("simulate", () => {
  it.each(troubles.flatMap((weather) => targetNames.map((name, index) => ({ weather, name, index }))))(
    "answers 99.9 % of the calls within budget and deadline while $name is $weather, under every strategy",
    ({ weather, index }) => {
      const scenario = scenarioOf(weather, index, minutes * 60_000, 3);
      for (const policy of policies) {
        const outcome = simulate(scenario, policy);
        expect(outcome.succeeded / outcome.calls, policy.strategy).toBeGreaterThanOrEqual(0.999);
        expect(outcome.attemptsMaxOfCall, policy.strategy).toBeLessThanOrEqual(scenario.maxAttempts);
      }
    },
  );

  it("comes near the best possible choice of what a strategy is for", () => {
    const scenario = scenarioOf("dead", 2, minutes * 60_000, 3);
    const best = bestChoice(scenario);
    expect(simulate(scenario, { strategy: "cost" }).meanCostNanoUsd).toBeLessThan(best.meanCostNanoUsd * 1.1);
    expect(simulate(scenario, { strategy: "latency" }).meanLatencyMs).toBeLessThan(best.meanLatencyMs * 1.25);
  });

  it("takes the load off a dead target: its circuit opens after a few failures and is probed rarely", () => {
    const outcome = simulate(scenarioOf("dead", 0, minutes * 60_000, 3), { strategy: "priority" });
    expect(outcome.attempts - outcome.calls).toBeLessThan(40); // Of about 1,800 calls in ten minutes of outage.
  });

  it("gives the same figures each time", () => {
    const scenario = scenarioOf("cutting", 0, 15 * 60_000, 3);
    expect(simulate(scenario, { strategy: "weighted" })).toEqual(simulate(scenario, { strategy: "weighted" }));
  });
});

describe("EventQueue", () => {
  it("runs what is due first, and equal times in the order in which they were set", () => {
    const queue = new EventQueue(100);
    const ran: string[] = [];
    queue.after(30, () => ran.push(`c at ${queue.nowMs}`));
    queue.after(10, () => {
      ran.push(`a at ${queue.nowMs}`);
      queue.after(20, () => ran.push(`d at ${queue.nowMs}`));
    });
    queue.after(10, () => ran.push(`b at ${queue.nowMs}`));
    queue.drain();
    expect(ran).toEqual(["a at 110", "b at 110", "c at 130", "d at 130"]);
  });
});
