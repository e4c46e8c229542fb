// From a request to the targets that may serve it, best first: resolve the model, apply the rules, filter, order. `begin`
// and `explain` walk this same path.
import type { CompleteRequest } from "../contract.ts";
import { ErrorReason, RoutingStrategy } from "../contract.ts";
import type { BudgetFallback } from "../domain/budget-fallback.ts";
import { CallFailure } from "../domain/call-failure.ts";
import { mayNameModel, mayUseEveryModel } from "../domain/may-name-model.ts";
import type { Caller } from "../domain/principal.ts";
import type { AffinityMemory } from "./affinity-memory.ts";
import { neededBy } from "./capabilities.ts";
import { expectedCostNanoUsd, type PriceSource } from "./expected-cost.ts";
import {
  type Exclusion,
  excludedByCapability,
  excludedByContextWindow,
  excludedByWishes,
  needsWithoutOptional,
  wishesOf,
} from "./filters.ts";
import type { RouteQuery } from "./itinerary.ts";
import type { OrderContext } from "./order/order-context.ts";
import { fromRoutingStrategy, strategies } from "./order/strategies.ts";
import {
  type Chain,
  isReachable,
  type Route,
  type RoutedTarget,
  type Routes,
  reachableChain,
  toChain,
} from "./route.ts";
import type { RoutingLimits } from "./routing-limits.ts";
import type { RuleBook } from "./rules.ts";

export type PlanningParts = {
  readonly routes: Routes;
  readonly rules: RuleBook;
  readonly prices: PriceSource;
  readonly affinity: AffinityMemory;
  readonly random: () => number;
  readonly limits: RoutingLimits;
};

export type Plan = {
  readonly ruleId: string;
  readonly route: Route;
  readonly attemptsMax: number;
  /** Best first; not empty. */
  readonly targets: readonly RoutedTarget[];
  /** The chain whose targets these are in configured order, when nothing was filtered or ordered. */
  readonly untouched: Chain | undefined;
  readonly excluded: readonly ExcludedTarget[];
  /** Targets are missing since the caller may not reach their providers. */
  readonly isNarrowed: boolean;
};

export type ExcludedTarget = { readonly routed: RoutedTarget; readonly exclusion: Exclusion };

/** Throws `CallFailure`; see `Router.begin`. */
export function planCall(query: RouteQuery, parts: PlanningParts): Plan {
  const { request } = query;
  const { ruleId, route, chain, isNarrowed } = chooseRoute(query, parts);
  const attemptsMax = attemptsOf(route, request);
  const wished = fromRoutingStrategy(request.routing?.strategy ?? RoutingStrategy.UNSPECIFIED);

  if (isPlain(query, chain) && (wished === "priority" || (wished === undefined && chain.allPriority))) {
    return { ruleId, route, attemptsMax, targets: chain.flat, untouched: chain, excluded: [], isNarrowed };
  }
  const context = orderContext(query, parts);
  const excluded: ExcludedTarget[] = [];
  const kept = keepEligible(query, chain, context, parts.limits, excluded);
  if (kept.size === 0) throw nothingEligible(query, excluded);
  const targets: RoutedTarget[] = [];
  for (const segment of chain.segments) {
    const eligible = segment.targets.filter((target) => kept.has(target));
    const strategy = wished ?? segment.strategy;
    const ordered = eligible.length < 2 ? eligible : strategies[strategy](eligible, context);
    targets.push(...(keepsCache(strategy) ? cachedFirst(ordered, query, parts.affinity) : ordered));
  }
  return { ruleId, route, attemptsMax, targets, untouched: undefined, excluded, isNarrowed };
}

/** What is named must be allowed, whoever chooses in the end: a budget past its limit before any rule that chooses. */
function chooseRoute(query: RouteQuery, { routes, rules }: PlanningParts) {
  const { request, caller, budgetFallback } = query;
  const named = namedRoute(request.model, caller, routes);
  const rule = rules.match(query);
  if (rule !== undefined && rule.model === undefined) throw refusedBy(rule.id);
  if (budgetFallback !== undefined) {
    const route = routeOfBudget(budgetFallback, caller, routes);
    // Fallbacks that the caller names would lead back to what the budget does not pay for any more.
    return { ruleId: "", route, ...withinReach(route.chain, caller) };
  }
  const route = rule?.model === undefined ? named : routeOfRule(rule.model, routes);
  const { chain, isNarrowed } = withinReach(chainOf(route, request, caller, routes), caller);
  if (chain.flat.length === 0) throw refusedModel(request.model, caller);
  return { ruleId: rule?.id ?? "", route, chain, isNarrowed };
}

function withinReach(whole: Chain, caller: Caller): Pick<Plan, "isNarrowed"> & { readonly chain: Chain } {
  const chain = reachableChain(whole, caller);
  return { chain, isNarrowed: chain !== whole };
}

/** What keeps a caller's requests together; "": nothing, and each is on its own. */
export function stickyKeyOf(request: CompleteRequest): string {
  const affinityKey = request.routing?.affinityKey ?? "";
  if (affinityKey !== "") return affinityKey;
  return request.endUserId !== "" ? request.endUserId : request.conversationId;
}

/** Key under which a caller's conversation is remembered; tenants never share one. "": nothing to remember. */
export function memoryKeyOf(query: RouteQuery): string {
  const { routing, conversationId } = query.request;
  const affinityKey = routing?.affinityKey ?? "";
  const key = affinityKey !== "" ? affinityKey : conversationId;
  return key === "" ? "" : `${query.caller.projectId}\n${key}`;
}

/** Nano-USD that the request would probably cost at a target; `undefined`: no price known. */
export function expectedCostAt(target: RoutedTarget, query: RouteQuery, parts: PlanningParts): number | undefined {
  const { planned, deployment } = target;
  const { providerId, providerName, model } = planned.target;
  const { serviceTier } = query.request;
  const known = parts.prices.prices({
    providerId,
    providerName,
    model,
    serviceTier,
    projectId: query.caller.projectId,
    atMs: query.nowMs,
  });
  const memoryKey = memoryKeyOf(query);
  const last = memoryKey === "" ? undefined : parts.affinity.lastServed(memoryKey, query.nowMs);
  const tokens = {
    input: query.inputTokens,
    cachedInput: last?.deployment === deployment ? last.inputTokens : 0,
    output: expectedOutputTokens(target, query, parts.limits),
  };
  return expectedCostNanoUsd(known?.prices, tokens, serviceTier);
}

export function expectedOutputTokens(target: RoutedTarget, { request }: RouteQuery, limits: RoutingLimits): number {
  const usual = target.health.outputTokens ?? limits.outputTokensDefault;
  return Math.min(usual, request.sampling?.maxOutputTokens ?? usual);
}

function namedRoute(modelId: string, caller: Caller, routes: Routes): Route {
  const route = mayNameModel(caller, modelId) ? routes.byModel.get(modelId) : undefined;
  if (route !== undefined && mayReach(route, caller)) return route;
  throw refusedModel(modelId, caller);
}

/** Whether any of its targets, or of its fallbacks', may serve the caller. */
function mayReach({ chain }: Route, caller: Caller): boolean {
  return caller.providers === undefined || chain.flat.some((routed) => isReachable(routed, caller));
}

/** Alike whether there is no such model, it may not be named, or only providers have it that the caller may not reach. */
function refusedModel(modelId: string, caller: Caller): CallFailure {
  const resource = { type: "model", name: modelId };
  if (mayUseEveryModel(caller)) return new CallFailure(ErrorReason.MODEL_NOT_FOUND, "no such model", { resource });
  return new CallFailure(ErrorReason.MODEL_NOT_ALLOWED, "the credential does not allow this model", { resource });
}

function routeOfRule(modelId: string, routes: Routes): Route {
  const route = routes.byModel.get(modelId);
  if (route === undefined) throw new Error(`a rule names the model ${modelId}, which does not exist`);
  return route;
}

function refusedBy(ruleId: string): CallFailure {
  return new CallFailure(ErrorReason.PERMISSION_DENIED, "a rule of this deployment refuses the call", {
    resource: { type: "rule", name: ruleId },
  });
}

/** The administrator's word, as a rule is: the caller need not be allowed to name the model. */
function routeOfBudget({ budgetId, model }: BudgetFallback, caller: Caller, routes: Routes): Route {
  const route = routes.byModel.get(model);
  if (route !== undefined && mayReach(route, caller)) return route;
  // Its route deleted later, or served by providers only that the caller may not reach: then the budget offers nothing.
  throw new CallFailure(ErrorReason.BUDGET_EXHAUSTED, "the budget is used up, and its fallback model is gone", {
    quota: [{ subject: `budget/${budgetId}`, description: "past its limit, and its fallback model does not exist" }],
    metadata: { budgetId },
  });
}

/** Fallbacks that the caller names take the place of the configured ones, and need its right to name them. */
function chainOf(route: Route, request: CompleteRequest, caller: Caller, routes: Routes): Chain {
  const wished = request.routing?.fallbackModels;
  if (wished === undefined || wished.length === 0) return route.chain;
  const fallbacks = wished.map((modelId) => namedRoute(modelId, caller, routes));
  return toChain([route, ...fallbacks]);
}

function attemptsOf(route: Route, request: CompleteRequest): number {
  const wished = request.routing?.maxAttempts;
  return wished === undefined ? route.maxAttempts : Math.max(1, Math.min(wished, route.maxAttempts));
}

/** Whether no filter can leave anything out: decided by what the whole chain lacks, without looking at each target. */
function isPlain(query: RouteQuery, chain: Chain): boolean {
  if (query.inputTokens > chain.contextWindowMin) return false;
  if (wishesOf(query.request.routing) !== undefined) return false;
  return chain.lacks === 0 || (chain.lacks & neededBy(query.request)) === 0;
}

function keepEligible(
  query: RouteQuery,
  chain: Chain,
  context: OrderContext,
  limits: RoutingLimits,
  excluded: ExcludedTarget[],
): ReadonlySet<RoutedTarget> {
  const wishes = wishesOf(query.request.routing);
  const allNeeds = chain.lacks === 0 ? 0 : neededBy(query.request);
  const eligible = (needs: number, inputTokens: number): ReadonlySet<RoutedTarget> => {
    excluded.length = 0;
    const kept = new Set<RoutedTarget>();
    for (const routed of chain.flat) {
      const exclusion =
        (wishes && excludedByWishes(routed, wishes, context.expectedCost)) ??
        excludedByCapability(routed, needs) ??
        excludedByContextWindow(routed, inputTokens);
      if (exclusion === undefined) kept.add(routed);
      else excluded.push({ routed, exclusion });
    }
    return kept;
  };
  const kept = eligible(allNeeds, query.inputTokens);
  if (kept.size > 0) return kept;
  // Nothing fits: give up what may be given up. The count of tokens is an estimate, and the provider knows better.
  const needs = needsWithoutOptional(allNeeds, query.request);
  return eligible(needs, Math.floor(query.inputTokens / limits.inputEstimateSlack));
}

function nothingEligible(query: RouteQuery, excluded: readonly ExcludedTarget[]): CallFailure {
  const tooSmall = excluded.filter(({ exclusion }) => exclusion.because === "context-window");
  if (tooSmall.length > 0 && tooSmall.length === excluded.length) {
    const limit = Math.max(...tooSmall.map(({ routed }) => routed.planned.target.facts.contextWindow ?? 0));
    return new CallFailure(
      ErrorReason.CONTEXT_LENGTH_EXCEEDED,
      "the input does not fit the context window of any target",
      {
        metadata: { limit: String(limit), actual: String(query.inputTokens) },
        violations: [
          { field: "messages", description: `about ${query.inputTokens} input tokens; at most ${limit} fit` },
        ],
      },
    );
  }
  return new CallFailure(ErrorReason.CAPABILITY_UNSUPPORTED, "no target of the model can serve this request", {
    violations: excluded.slice(0, violationsMax).map(({ routed, exclusion }) => ({
      field: exclusion.violation.field,
      description: `${routed.planned.target.id}: ${exclusion.violation.description}`,
    })),
  });
}

/** Details of a status stay small. */
const violationsMax = 8;

function orderContext(query: RouteQuery, parts: PlanningParts): OrderContext {
  const costs = new Map<RoutedTarget, number | undefined>();
  return {
    nowMs: query.nowMs,
    stickyKey: stickyKeyOf(query.request),
    outputTokens: (target) => expectedOutputTokens(target, query, parts.limits),
    expectedCost: (target) => {
      if (!costs.has(target)) costs.set(target, expectedCostAt(target, query, parts));
      return costs.get(target);
    },
    random: parts.random,
    limits: parts.limits,
  };
}

/** Strategies whose choice would tear a conversation from the cache that holds it, for no gain of their own. */
function keepsCache(strategy: keyof typeof strategies): boolean {
  return strategy === "latency" || strategy === "throughput" || strategy === "least_busy";
}

/** An affinity key asks for the target that served it last. */
function cachedFirst(
  ordered: readonly RoutedTarget[],
  query: RouteQuery,
  affinity: AffinityMemory,
): readonly RoutedTarget[] {
  if ((query.request.routing?.affinityKey ?? "") === "" || ordered.length < 2) return ordered;
  const last = affinity.lastServed(memoryKeyOf(query), query.nowMs);
  const first = last && ordered.find((target) => target.deployment === last.deployment);
  return first === undefined ? ordered : [first, ...ordered.filter((target) => target !== first)];
}
