import type { OrderTargets } from "./order-context.ts";
import { hashText, rendezvousScore } from "./rendezvous.ts";
import { sortByScore } from "./sort-by-score.ts";

/**
 * By weight: each arm gets its share of the keys, a key always the same arm. Without a key each request is drawn anew.
 * The order after the first is that of the next-best arms, so a failing arm hands its keys over evenly.
 */
export const orderByWeight: OrderTargets = (targets, { stickyKey, random }) => {
  const keyHash = stickyKey === "" ? Math.floor(random() * 2 ** 32) : hashText(stickyKey);
  return sortByScore(targets, ({ idHash, planned }) => -rendezvousScore(keyHash, idHash, planned.target.weight));
};
