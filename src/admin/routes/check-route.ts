// What the contract's rules on single fields cannot say of a route.
import type { adminRoutes } from "../../contract.ts";
import type { FieldViolation } from "../../domain/call-failure.ts";
import { invalid, notAvailable } from "../refusals.ts";

export type RouteWorld = {
  /** Whether the configuration has an account at a provider under this id. */
  readonly isProvider: (id: string) => boolean;
  /** Fallbacks of a model of the configuration or a stored route; `undefined`: there is none. */
  readonly fallbacksOf: (id: string) => readonly string[] | undefined;
};

type Route = adminRoutes.Route;

/** As a model's id in the configuration. */
const idPattern = /^[A-Za-z0-9][A-Za-z0-9._:@/-]{0,127}$/;
const attemptsMax = 10;
const weightMax = 10_000;

/** Throws `CallFailure` INVALID_REQUEST, or FEATURE_DISABLED for what would be kept and not done. */
export function checkRoute(route: Route, world: RouteWorld): void {
  refuseUnavailable(route);
  const violations = [...checkId(route), ...checkTargets(route, world), ...checkFallbacks(route, world)];
  if (violations.length > 0) throw invalid(...violations);
}

function refuseUnavailable(route: Route): void {
  if (route.targets.some(({ credentialRef }) => credentialRef !== "")) {
    throw notAvailable("credential_ref of a target");
  }
  if (route.targets.some(({ baseUrl }) => baseUrl !== "")) throw notAvailable("base_url of a target");
  if (route.targets.some(({ defaultOptions }) => defaultOptions !== undefined)) throw notAvailable("default_options");
  const { retryPolicy: policy } = route;
  if (policy === undefined) return;
  const { attemptTimeout, firstTokenTimeout, idleTimeout, hedgeDelay, circuitOpenDuration, circuitFailures } = policy;
  const durations = [attemptTimeout, firstTokenTimeout, idleTimeout, hedgeDelay, circuitOpenDuration];
  if (durations.some((duration) => duration !== undefined) || circuitFailures !== 0) {
    throw notAvailable("a retry policy beyond max_attempts");
  }
}

function checkId({ routeId, retryPolicy }: Route): readonly FieldViolation[] {
  return [
    ...(idPattern.test(routeId) ? [] : [{ field: "route.route_id", description: "must be a model id" }]),
    ...((retryPolicy?.maxAttempts ?? 0) <= attemptsMax
      ? []
      : [{ field: "route.retry_policy.max_attempts", description: `must be at most ${attemptsMax}` }]),
  ];
}

function checkTargets({ targets }: Route, world: RouteWorld): readonly FieldViolation[] {
  const seen = new Set<string>();
  const violations = targets.flatMap(({ targetId, provider, weight }, index) => {
    const at = `route.targets[${index}]`;
    const isDouble = seen.has(targetId);
    seen.add(targetId);
    return [
      ...(isDouble ? [{ field: `${at}.target_id`, description: "stands twice" }] : []),
      ...(weight <= weightMax ? [] : [{ field: `${at}.weight`, description: `must be at most ${weightMax}` }]),
      ...(world.isProvider(provider)
        ? []
        : [{ field: `${at}.provider`, description: "must be the id of a provider in the configuration" }]),
    ];
  });
  if (targets.some(({ disabled }) => !disabled)) return violations;
  return [...violations, { field: "route.targets", description: "must have one that is not disabled" }];
}

function checkFallbacks({ routeId, fallbackRouteIds }: Route, world: RouteWorld): readonly FieldViolation[] {
  return fallbackRouteIds.flatMap((id, index) => {
    const field = `route.fallback_route_ids[${index}]`;
    if (id !== routeId && world.fallbacksOf(id) === undefined)
      return [{ field, description: "there is no such route" }];
    return leadsTo(routeId, id, world) ? [{ field, description: "leads back to this route" }] : [];
  });
}

function leadsTo(goal: string, from: string, world: RouteWorld, seen = new Set<string>()): boolean {
  if (from === goal) return true;
  if (seen.has(from)) return false;
  seen.add(from);
  return (world.fallbacksOf(from) ?? []).some((next) => leadsTo(goal, next, world, seen));
}
