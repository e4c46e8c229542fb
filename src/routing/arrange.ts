import type { RouteQuery, SkippedTarget } from "./itinerary.ts";
import { expectedLatencyMs } from "./order/expected-latency.ts";
import { expectedOutputTokens } from "./plan-call.ts";
import type { RoutedTarget } from "./route.ts";
import type { RoutingLimits } from "./routing-limits.ts";
import { whySkipped } from "./why-skipped.ts";

export type Arrangement = {
  /** All the targets, those to be called first in front; the given array itself when nothing had to move. */
  readonly targets: readonly RoutedTarget[];
  /** Those that nobody would call now, with the reason. */
  readonly skipped: readonly SkippedTarget[];
};

/**
 * What the moment makes of the strategy's order: targets that would probably answer within the deadline, then those that
 * would not, then those that are out of service now, which stay candidates since their time may come while the call waits.
 */
export function arrange(ordered: readonly RoutedTarget[], query: RouteQuery, limits: RoutingLimits): Arrangement {
  const skipped = skippedOf(ordered, query);
  const [first] = ordered;
  if (skipped.length === 0 && (first === undefined || fits(first, query, limits))) return { targets: ordered, skipped };
  const isSkipped = (target: RoutedTarget): boolean =>
    skipped.some((one) => one.target === target.planned.target && one.modelId === target.planned.modelId);
  const ready = ordered.filter((target) => !isSkipped(target));
  return {
    targets: [
      ...ready.filter((target) => fits(target, query, limits)),
      ...ready.filter((target) => !fits(target, query, limits)),
      ...ordered.filter(isSkipped),
    ],
    // Nobody else is ready: the one near its rate limit is slowed down, not left out.
    skipped: ready.length > 0 ? skipped : skipped.filter(({ because }) => because !== "rate-limited"),
  };
}

const none: readonly SkippedTarget[] = [];

function skippedOf(targets: readonly RoutedTarget[], query: RouteQuery): readonly SkippedTarget[] {
  let skipped: SkippedTarget[] | undefined;
  for (const target of targets) {
    const because = whySkipped(target, query);
    if (because === undefined) continue;
    skipped ??= [];
    skipped.push({ target: target.planned.target, modelId: target.planned.modelId, because });
  }
  return skipped ?? none;
}

/** Whether the whole answer is expected within the deadline; a target never seen gets its chance. */
function fits(target: RoutedTarget, query: RouteQuery, limits: RoutingLimits): boolean {
  if (query.deadlineMs === undefined) return true;
  const expectedMs = expectedLatencyMs(target.health, expectedOutputTokens(target, query, limits));
  return expectedMs === undefined || query.nowMs + expectedMs <= query.deadlineMs;
}
