import type { RoutedTarget } from "../route.ts";

/** Lowest score first; equal scores keep the configured order. Each score is computed once. */
export function sortByScore(
  targets: readonly RoutedTarget[],
  scoreOf: (target: RoutedTarget) => number,
): readonly RoutedTarget[] {
  return targets
    .map((target) => ({ target, score: scoreOf(target) }))
    .sort((left, right) => (left.score === right.score ? 0 : left.score - right.score))
    .map(({ target }) => target);
}
