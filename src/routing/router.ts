import type { ModelConfig, TargetConfig } from "../config/config.ts";
import type { RoutingOptions } from "../contract.ts";
import type { Caller } from "../domain/principal.ts";
import type { Target } from "../domain/target.ts";
import { AffinityMemory } from "./affinity-memory.ts";
import { arrange } from "./arrange.ts";
import { CallItinerary } from "./call-itinerary.ts";
import type { PriceSource } from "./expected-cost.ts";
import { type Explanation, explainPlan } from "./explain.ts";
import type { PlannedTarget, RouteQuery, Router } from "./itinerary.ts";
import { expectedCostAt, memoryKeyOf, type Plan, type PlanningParts, planCall } from "./plan-call.ts";
import { buildRoutes, isReachable, type Route, type Routes, reachableChain } from "./route.ts";
import { type RoutingLimits, routingLimits } from "./routing-limits.ts";
import { noRules, type RuleBook } from "./rules.ts";
import type { HealthSnapshot } from "./target-health.ts";

export type RouterOptions = {
  readonly models: readonly ModelConfig[];
  /** Makes the target of a config entry, with the facts of the catalogue under those of the config. */
  readonly targetOf: (target: TargetConfig) => Target;
  readonly prices: PriceSource;
  /** From 0 (inclusive) to 1 (exclusive). */
  readonly random: () => number;
  /** From `compileRules`. Default: none. */
  readonly rules?: RuleBook | undefined;
  /** Keys that a provider's credential store can rotate through. Default: one. */
  readonly credentialsOf?: ((providerId: string) => number) | undefined;
  readonly limits?: Partial<RoutingLimits> | undefined;
};

/** State of one target in one model, for metrics and RouteService. */
export type TargetState = PlannedTarget & { readonly health: HealthSnapshot };

/** The port of the pipeline, and what the operator sees. */
export interface RoutingDesk extends Router {
  /** What `begin` would plan, without consequences. Throws what `begin` throws. */
  explain(query: RouteQuery): Explanation;
  /**
   * Other models from the next call on; calls under way keep their plan, and what is remembered of deployments stays.
   * Throws like `createRouter`, and then changes nothing.
   */
  replaceModels(models: readonly ModelConfig[]): void;
  /** Every target of every model, in the order of the config. */
  targetStates(nowMs: number): readonly TargetState[];
  /** Evaluations of each rule that ended in an error (and so did not match), by rule id. */
  readonly ruleErrors: ReadonlyMap<string, number>;
}

/** Throws an `Error` when a rule or a fallback names a model that does not exist. */
export function createRouter(options: RouterOptions): RoutingDesk {
  const limits: RoutingLimits = { ...routingLimits, ...options.limits };
  const rules = options.rules ?? noRules;
  const routesOf = (models: readonly ModelConfig[], known: Routes["health"]): Routes => {
    const routes = buildRoutes(models, options.targetOf, options.credentialsOf ?? (() => 1), limits, known);
    for (const model of rules.models) {
      if (!routes.byModel.has(model)) throw new Error(`a rule names the model ${model}, which does not exist`);
    }
    return routes;
  };
  const affinity = new AffinityMemory(limits.affinityEntriesMax, limits.affinityMs);
  const others = { rules, prices: options.prices, affinity, random: options.random, limits };
  let parts: PlanningParts = { routes: routesOf(options.models, new Map()), ...others };

  return {
    get modelIds() {
      return parts.routes.modelIds;
    },
    ruleErrors: rules.errors,
    targets: (modelId) => parts.routes.byModel.get(modelId)?.targets.map(({ planned }) => planned.target),
    reachableTargets: (modelId, caller) => reachableTargets(parts.routes.byModel.get(modelId), caller),
    begin: (query) => beginCall(planCall(query, parts), query, parts),
    explain(query) {
      const current = parts;
      return explainPlan(planCall(query, current), query, (target) => expectedCostAt(target, query, current), limits);
    },
    replaceModels(models) {
      parts = { routes: routesOf(models, parts.routes.health), ...others };
    },
    targetStates: (nowMs) => targetStates(parts.routes, nowMs),
  };
}

function reachableTargets(route: Route | undefined, caller: Pick<Caller, "providers">): readonly Target[] | undefined {
  const own = route?.targets.filter((routed) => isReachable(routed, caller)) ?? [];
  const routed = own.length > 0 || route === undefined ? own : reachableChain(route.chain, caller).flat;
  return routed.length === 0 ? undefined : routed.map(({ planned }) => planned.target);
}

function beginCall(plan: Plan, query: RouteQuery, parts: PlanningParts): CallItinerary {
  const { targets, skipped } = arrange(plan.targets, query, parts.limits);
  const isUntouched = plan.untouched !== undefined && targets === plan.targets;
  const candidates = isUntouched ? plan.untouched.planned : targets.map(({ planned }) => planned);
  const memoryKey = memoryKeyOf(query);
  return new CallItinerary({
    ruleId: plan.ruleId,
    modelId: candidates[0]?.modelId ?? plan.route.modelId,
    targets,
    candidates,
    skipped,
    attemptsMax: plan.attemptsMax,
    hedgeDelayMs: plan.route.hedgeDelayMs,
    inputTokens: query.inputTokens,
    hasOwnTimeouts: hasOwnTimeouts(query.request.routing),
    deadlineMs: query.deadlineMs,
    limits: parts.limits,
    random: parts.random,
    onServed:
      memoryKey === ""
        ? undefined
        : ({ deployment }, nowMs) => parts.affinity.served(memoryKey, deployment, query.inputTokens, nowMs),
  });
}

function hasOwnTimeouts(routing: RoutingOptions | undefined): boolean {
  if (routing === undefined) return false;
  const { attemptTimeout, firstTokenTimeout, idleTimeout } = routing;
  return attemptTimeout !== undefined || firstTokenTimeout !== undefined || idleTimeout !== undefined;
}

function targetStates(routes: Routes, nowMs: number): readonly TargetState[] {
  return [...routes.byModel.values()].flatMap((route) =>
    route.targets.map(({ planned, health }) => ({ ...planned, health: health.snapshot(nowMs) })),
  );
}
