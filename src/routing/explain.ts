import { arrange } from "./arrange.ts";
import type { PlannedTarget, RouteQuery, SkippedTarget } from "./itinerary.ts";
import { expectedLatencyMs } from "./order/expected-latency.ts";
import { expectedOutputTokens, type Plan } from "./plan-call.ts";
import type { RoutedTarget } from "./route.ts";
import type { RoutingLimits } from "./routing-limits.ts";
import type { HealthSnapshot } from "./target-health.ts";
import { whySkipped } from "./why-skipped.ts";

/** What would happen to a request, and why. */
export type Explanation = {
  /** Rule that chose the model; "": none did. */
  readonly ruleId: string;
  readonly modelId: string;
  readonly attemptsMax: number;
  /** Best first. */
  readonly targets: readonly ExplainedTarget[];
  /** Targets that may not serve this request at all. */
  readonly excluded: readonly (PlannedTarget & { readonly because: string; readonly field: string })[];
  /** Further targets are missing, since the caller may not reach their providers. */
  readonly isNarrowed: boolean;
};

export type ExplainedTarget = PlannedTarget & {
  /** `undefined`: no price known. */
  readonly expectedCostNanoUsd: number | undefined;
  /** Until the whole answer; `undefined`: the target was never called. */
  readonly expectedLatencyMs: number | undefined;
  /** Why it would be passed over right now; `undefined`: it would be called. */
  readonly skippedBecause: SkippedTarget["because"] | undefined;
  readonly health: HealthSnapshot;
};

export function explainPlan(
  plan: Plan,
  query: RouteQuery,
  expectedCost: (target: RoutedTarget) => number | undefined,
  limits: RoutingLimits,
): Explanation {
  const targets = arrange(plan.targets, query, limits).targets.map((routed) => ({
    ...routed.planned,
    expectedCostNanoUsd: expectedCost(routed),
    expectedLatencyMs: expectedLatencyMs(routed.health, expectedOutputTokens(routed, query, limits)),
    skippedBecause: whySkipped(routed, query),
    health: routed.health.snapshot(query.nowMs),
  }));
  return {
    ruleId: plan.ruleId,
    modelId: targets[0]?.modelId ?? plan.route.modelId,
    attemptsMax: plan.attemptsMax,
    targets,
    isNarrowed: plan.isNarrowed,
    excluded: plan.excluded.map(({ routed, exclusion }) => ({
      ...routed.planned,
      because: exclusion.violation.description,
      field: exclusion.violation.field,
    })),
  };
}
