import { callsOf, type Scenario } from "./simulate.ts";
import { costNanoUsd, type VirtualCall, VirtualServer, type VirtualTarget } from "./virtual-target.ts";

/** What a chooser who foresees every answer would reach, each figure for itself. */
export type BestChoice = {
  readonly succeeded: number;
  readonly meanCostNanoUsd: number;
  readonly meanLatencyMs: number;
};

export function bestChoice(scenario: Scenario): BestChoice {
  const cheapest = foresee(scenario, (target, call) => costNanoUsd(target, call));
  const fastest = foresee(scenario, (_target, _call, durationMs) => durationMs);
  return {
    succeeded: cheapest.served / Math.max(1, cheapest.calls),
    meanCostNanoUsd: cheapest.sum / Math.max(1, cheapest.served),
    meanLatencyMs: fastest.sum / Math.max(1, fastest.served),
  };
}

/** Serves each call at the target of the lowest score among those that would answer; rate limits count for it too. */
function foresee(
  scenario: Scenario,
  scoreOf: (target: VirtualTarget, call: VirtualCall, durationMs: number) => number,
): { readonly calls: number; readonly served: number; readonly sum: number } {
  const servers = scenario.targets.map((target) => new VirtualServer(target, 0));
  let served = 0;
  let sum = 0;
  const calls = callsOf(scenario);
  for (const { atMs, call } of calls) {
    let best: { readonly server: VirtualServer; readonly score: number } | undefined;
    for (const server of servers) {
      const answer = server.foresee(call, atMs);
      if (answer.kind !== "served") continue;
      const score = scoreOf(server.target, call, answer.durationMs);
      if (best === undefined || score < best.score) best = { server, score };
    }
    if (best === undefined) continue;
    best.server.answer(call, 1, atMs); // Takes its place in the rate limit.
    served += 1;
    sum += best.score;
  }
  return { calls: calls.length, served, sum };
}
