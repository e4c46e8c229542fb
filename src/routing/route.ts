// The configured models, made ready once: what a call would otherwise work out again each time.
import type { ModelConfig, Strategy, TargetConfig } from "../config/config.ts";
import { mayReachProvider, providerNamesOf } from "../domain/may-reach-provider.ts";
import type { Caller } from "../domain/principal.ts";
import type { Target } from "../domain/target.ts";
import { lackedBy } from "./capabilities.ts";
import type { PlannedTarget } from "./itinerary.ts";
import { hashText } from "./order/rendezvous.ts";
import type { RoutingLimits } from "./routing-limits.ts";
import { TargetHealth } from "./target-health.ts";

/** A target in its place in a route, with the memory of its deployment. */
export type RoutedTarget = {
  readonly planned: PlannedTarget;
  readonly health: TargetHealth;
  /** Key of the deployment: provider, model, region. */
  readonly deployment: string;
  /** Provider id, kind and OpenTelemetry name, in lower case: what callers may allow or deny. */
  readonly providerNames: readonly string[];
  readonly region: string;
  /** Bits of `capabilities` that the model is known to lack. */
  readonly lacks: number;
  /** Hash of the target id, for rendezvous hashing. */
  readonly idHash: number;
};

/** The targets of one model, and how to order them. */
export type Segment = { readonly strategy: Strategy; readonly targets: readonly RoutedTarget[] };

/** Segments to try in order, and what holds for all their targets. */
export type Chain = {
  readonly segments: readonly Segment[];
  /** All targets in configured order. */
  readonly flat: readonly RoutedTarget[];
  readonly planned: readonly PlannedTarget[];
  /** Bits that at least one target lacks. */
  readonly lacks: number;
  /** Smallest known context window; Infinity when none is known. */
  readonly contextWindowMin: number;
  readonly allPriority: boolean;
};

export type Route = {
  readonly modelId: string;
  readonly strategy: Strategy;
  readonly targets: readonly RoutedTarget[];
  readonly maxAttempts: number;
  /** `undefined`: no hedging; 0: after the p95 of the target. */
  readonly hedgeDelayMs: number | undefined;
  /** This model, then its configured fallbacks. */
  readonly chain: Chain;
};

export type Routes = {
  readonly byModel: ReadonlyMap<string, Route>;
  readonly modelIds: readonly string[];
  readonly health: ReadonlyMap<string, TargetHealth>;
};

/**
 * `known`: what is remembered of deployments of routes before, and goes on. Throws an `Error` when a fallback names no
 * model: the config check should have said so.
 */
export function buildRoutes(
  models: readonly ModelConfig[],
  targetOf: (target: TargetConfig) => Target,
  credentialsOf: (providerId: string) => number,
  limits: RoutingLimits,
  known: Routes["health"] = new Map(),
): Routes {
  const health = new Map<string, TargetHealth>();
  const healthOf = (deployment: string, providerId: string): TargetHealth => {
    const kept = health.get(deployment) ?? known.get(deployment);
    const own = kept ?? new TargetHealth(limits, Math.max(1, credentialsOf(providerId)));
    health.set(deployment, own);
    return own;
  };
  const targetsByModel = new Map<string, readonly RoutedTarget[]>();
  for (const model of models) {
    const targets = model.targets.map((config) => routedTarget(targetOf(config), model.id, healthOf));
    targetsByModel.set(model.id, targets);
  }
  const segmentOf = (modelId: string, namedBy: string): Segment => {
    const targets = targetsByModel.get(modelId);
    const strategy = models.find((model) => model.id === modelId)?.strategy;
    if (targets === undefined || strategy === undefined) {
      throw new Error(`model ${namedBy}: fallback model ${modelId} does not exist`);
    }
    return { strategy, targets };
  };
  const byModel = new Map<string, Route>();
  for (const model of models) {
    const segments = [model.id, ...model.fallbackModels].map((id) => segmentOf(id, model.id));
    byModel.set(model.id, {
      modelId: model.id,
      strategy: model.strategy,
      targets: targetsByModel.get(model.id) ?? [],
      maxAttempts: Math.max(1, Math.min(limits.attemptsMax, model.retry.maxAttempts)),
      hedgeDelayMs: model.retry.hedgeDelayMs,
      chain: toChain(segments),
    });
  }
  return { byModel, modelIds: models.map((model) => model.id), health };
}

/** A target that several segments name is tried once, for the first of them. */
export function toChain(segments: readonly Segment[]): Chain {
  const seen = new Set<string>();
  const unique = segments.map(({ strategy, targets }) => ({
    strategy,
    targets: targets.filter((target) => {
      const key = `${target.planned.target.id}\n${target.deployment}`;
      if (seen.has(key)) return false;
      seen.add(key);
      return true;
    }),
  }));
  const flat = unique.flatMap((segment) => segment.targets);
  let lacks = 0;
  let contextWindowMin = Number.POSITIVE_INFINITY;
  for (const target of flat) {
    lacks |= target.lacks;
    contextWindowMin = Math.min(contextWindowMin, target.planned.target.facts.contextWindow ?? contextWindowMin);
  }
  return {
    segments: unique,
    flat,
    planned: flat.map((target) => target.planned),
    lacks,
    contextWindowMin,
    allPriority: unique.every((segment) => segment.strategy === "priority" || segment.targets.length < 2),
  };
}

/** Without the targets whose providers the caller may not reach; the chain itself when it may reach them all. */
export function reachableChain(chain: Chain, caller: Pick<Caller, "providers">): Chain {
  if (caller.providers === undefined || chain.flat.every((routed) => isReachable(routed, caller))) return chain;
  return toChain(
    chain.segments.map(({ strategy, targets }) => ({
      strategy,
      targets: targets.filter((routed) => isReachable(routed, caller)),
    })),
  );
}

export function isReachable({ providerNames }: RoutedTarget, caller: Pick<Caller, "providers">): boolean {
  return mayReachProvider(caller, providerNames);
}

function routedTarget(
  target: Target,
  modelId: string,
  healthOf: (deployment: string, providerId: string) => TargetHealth,
): RoutedTarget {
  const deployment = `${target.providerId}\n${target.model}\n${target.region}`;
  return {
    planned: { target, modelId },
    health: healthOf(deployment, target.providerId),
    deployment,
    providerNames: providerNamesOf(target),
    region: target.region.toLowerCase(),
    lacks: lackedBy(target.facts),
    idHash: hashText(target.id),
  };
}
