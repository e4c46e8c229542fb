import type { RouteQuery, SkippedTarget } from "./itinerary.ts";
import type { RoutedTarget } from "./route.ts";

/** Why a target is passed over at the time of the query; `undefined`: it may be called. */
export function whySkipped(routed: RoutedTarget, query: RouteQuery): SkippedTarget["because"] | undefined {
  const { health } = routed;
  if (!health.breaker.admits(query.nowMs)) return "circuit-open";
  if (query.nowMs < health.cooldownUntilMs) return "cooling-down";
  if (health.providerLimits.waitMs(query.inputTokens, query.nowMs) > 0) return "rate-limited";
  return isBusy(routed) ? "busy" : undefined;
}

/** At its own limit of calls in flight. */
export function isBusy({ health, planned }: Pick<RoutedTarget, "health" | "planned">): boolean {
  const { maxConcurrentRequests } = planned.target;
  return maxConcurrentRequests !== undefined && health.load >= maxConcurrentRequests;
}
