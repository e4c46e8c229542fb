import { expectedLatencyMs } from "./expected-latency.ts";
import { explore } from "./explore.ts";
import type { OrderTargets } from "./order-context.ts";
import { sortByScore } from "./sort-by-score.ts";

/** Shortest expected time to the whole answer first; a target never seen goes first, so that it is. */
export const orderByLatency: OrderTargets = (targets, context) =>
  explore(
    sortByScore(targets, (target) => {
      const latencyMs = expectedLatencyMs(target.health, context.outputTokens(target));
      // An attempt that fails costs its time and has to be made again elsewhere.
      return latencyMs === undefined ? 0 : latencyMs / successRatio(target.health.breaker.failureRatio);
    }),
    context,
  );

function successRatio(failureRatio: number): number {
  return Math.max(0.05, 1 - failureRatio);
}
