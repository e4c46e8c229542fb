import type { OrderTargets } from "./order-context.ts";
import { sortByScore } from "./sort-by-score.ts";

/** Lowest expected cost first; targets without a known price last, since unknown is not zero. */
export const orderByCost: OrderTargets = (targets, { expectedCost }) =>
  sortByScore(targets, (target) => expectedCost(target) ?? Number.POSITIVE_INFINITY);
