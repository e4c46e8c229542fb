// Routes of the contract and models of the configuration are one thing in two words.
import { create, fromJson, type JsonValue, toJson } from "@bufbuild/protobuf";
import type { ModelConfig, Strategy, TargetConfig } from "../../config/config.ts";
import { adminRoutes, RoutingStrategy } from "../../contract.ts";
import { isObject } from "../stored-json.ts";

const strategyByWish: Readonly<Record<number, Strategy>> = {
  [RoutingStrategy.PRIORITY]: "priority",
  [RoutingStrategy.WEIGHTED]: "weighted",
  [RoutingStrategy.COST]: "cost",
  [RoutingStrategy.LATENCY]: "latency",
  [RoutingStrategy.THROUGHPUT]: "throughput",
  [RoutingStrategy.LEAST_BUSY]: "least_busy",
};

const wishByStrategy = {
  priority: RoutingStrategy.PRIORITY,
  weighted: RoutingStrategy.WEIGHTED,
  cost: RoutingStrategy.COST,
  latency: RoutingStrategy.LATENCY,
  throughput: RoutingStrategy.THROUGHPUT,
  least_busy: RoutingStrategy.LEAST_BUSY,
} as const satisfies Record<Strategy, RoutingStrategy>;

const attemptsDefault = 3;

/** What routing knows of a route that `checkRoute` has let pass. Targets that are switched off are left out. */
export function toModelConfig(route: adminRoutes.Route): ModelConfig {
  const wished = route.retryPolicy?.maxAttempts ?? 0;
  return {
    id: route.routeId,
    strategy: strategyByWish[route.strategy] ?? "priority",
    targets: route.targets.filter((target) => !target.disabled).map(toTargetConfig),
    retry: { maxAttempts: wished === 0 ? attemptsDefault : wished },
    fallbackModels: route.fallbackRouteIds,
  };
}

function toTargetConfig(target: adminRoutes.Target): TargetConfig {
  return {
    id: target.targetId,
    providerId: target.provider,
    model: target.providerModel,
    weight: target.weight === 0 ? 1 : target.weight,
    region: target.region,
    zeroDataRetention: target.zeroDataRetention,
    maxConcurrentRequests: target.maxConcurrentRequests,
    facts: {},
  };
}

/** A model of the configuration as RouteService shows it. */
export function fromModelConfig(model: ModelConfig): adminRoutes.Route {
  return create(adminRoutes.RouteSchema, {
    routeId: model.id,
    targets: model.targets.map(({ id, providerId, model: providerModel, maxConcurrentRequests, ...rest }) => ({
      targetId: id,
      provider: providerId,
      providerModel,
      region: rest.region,
      weight: rest.weight,
      zeroDataRetention: rest.zeroDataRetention,
      ...(maxConcurrentRequests === undefined ? {} : { maxConcurrentRequests }),
    })),
    strategy: wishByStrategy[model.strategy],
    retryPolicy: { maxAttempts: model.retry.maxAttempts },
    fallbackRouteIds: [...model.fallbackModels],
  });
}

export function formatRoute(route: adminRoutes.Route): string {
  return JSON.stringify({ route: toJson(adminRoutes.RouteSchema, route) });
}

/** Throws on a text that `formatRoute` did not write. */
export function parseRoute(text: string): adminRoutes.Route {
  const json: unknown = JSON.parse(text);
  if (!isObject(json)) throw new Error("not a stored route");
  return fromJson(adminRoutes.RouteSchema, json["route"] as JsonValue);
}
