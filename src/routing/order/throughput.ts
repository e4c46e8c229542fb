import { explore } from "./explore.ts";
import type { OrderTargets } from "./order-context.ts";
import { sortByScore } from "./sort-by-score.ts";

/** Most output tokens per second first, less what is lost to failures; a target never seen goes first, so that it is. */
export const orderByThroughput: OrderTargets = (targets, context) =>
  explore(
    sortByScore(targets, ({ health }) => {
      const speed = health.outputTokensPerSecond;
      return speed === undefined ? Number.NEGATIVE_INFINITY : -speed * (1 - health.breaker.failureRatio);
    }),
    context,
  );
