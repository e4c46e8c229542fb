import type { RoutedTarget } from "../route.ts";
import type { OrderContext } from "./order-context.ts";

/**
 * Now and then the target whose speed is known worst goes first, so that one that has become fast is found again.
 * `ordered` otherwise.
 */
export function explore(ordered: readonly RoutedTarget[], context: OrderContext): readonly RoutedTarget[] {
  if (ordered.length < 2 || context.random() >= context.limits.explorationRatio) return ordered;
  let least: RoutedTarget | undefined;
  for (const target of ordered) {
    if (least === undefined || target.health.knowledge(context.nowMs) < least.health.knowledge(context.nowMs))
      least = target;
  }
  if (least === undefined) return ordered;
  const first = least;
  return [first, ...ordered.filter((target) => target !== first)];
}
