import type { OrderTargets } from "./order-context.ts";
import { sortByScore } from "./sort-by-score.ts";

/** Fewest calls in flight first, for its weight. Equal ones at random, so that a quiet system does not load the first. */
export const orderByLoad: OrderTargets = (targets, { random }) =>
  sortByScore(targets, ({ health, planned }) => {
    const weight = planned.target.weight;
    return weight <= 0 ? Number.POSITIVE_INFINITY : (health.load + random()) / weight;
  });
