// Why a target may not serve a request at all, whatever its health: the caller's wishes, what the model is known to lack,
// its context window, its price.
import type { CompleteRequest, RoutingOptions } from "../contract.ts";
import { UnsupportedParameterPolicy } from "../contract.ts";
import type { FieldViolation } from "../domain/call-failure.ts";
import { capabilities, capabilityBit } from "./capabilities.ts";
import type { RoutedTarget } from "./route.ts";

export type Exclusion = {
  readonly because: "provider" | "region" | "data-retention" | "capability" | "context-window" | "cost";
  /** What to tell the caller: the request field that keeps the target out, and why. */
  readonly violation: FieldViolation;
};

/** The wishes of one request in the form in which targets are compared with them. */
export type Wishes = {
  readonly allowedProviders: readonly string[];
  readonly deniedProviders: readonly string[];
  readonly allowedRegions: readonly string[];
  readonly zeroDataRetention: boolean;
  readonly maxCostNanoUsd: number | undefined;
};

/** `undefined`: the request wishes nothing that would keep a target out. */
export function wishesOf(routing: RoutingOptions | undefined): Wishes | undefined {
  if (routing === undefined) return undefined;
  const { allowedProviders, deniedProviders, allowedRegions, requireZeroDataRetention, maxCostNanoUsd } = routing;
  const wishesNothing =
    allowedProviders.length === 0 &&
    deniedProviders.length === 0 &&
    allowedRegions.length === 0 &&
    !requireZeroDataRetention &&
    maxCostNanoUsd === undefined;
  if (wishesNothing) return undefined;
  return {
    allowedProviders: allowedProviders.map(toLowerCase),
    deniedProviders: deniedProviders.map(toLowerCase),
    allowedRegions: allowedRegions.map(toLowerCase),
    zeroDataRetention: requireZeroDataRetention,
    maxCostNanoUsd: maxCostNanoUsd === undefined ? undefined : Number(maxCostNanoUsd),
  };
}

function toLowerCase(text: string): string {
  return text.toLowerCase();
}

/** `undefined`: the wishes let it through. `expectedCost`: nano-USD; an unknown price is not known to be too high. */
export function excludedByWishes(
  target: RoutedTarget,
  wishes: Wishes,
  expectedCost: (target: RoutedTarget) => number | undefined,
): Exclusion | undefined {
  const { allowedProviders, deniedProviders, allowedRegions, maxCostNanoUsd } = wishes;
  const { providerNames, region, planned } = target;
  if (allowedProviders.length > 0 && !providerNames.some((name) => allowedProviders.includes(name))) {
    return exclusion("provider", "routing.allowed_providers", "its provider is not among the allowed ones");
  }
  if (providerNames.some((name) => deniedProviders.includes(name))) {
    return exclusion("provider", "routing.denied_providers", "its provider is denied");
  }
  if (allowedRegions.length > 0 && !allowedRegions.some((allowed) => isWithin(region, allowed))) {
    return exclusion("region", "routing.allowed_regions", "its region is not among the allowed ones");
  }
  if (wishes.zeroDataRetention && !planned.target.zeroDataRetention) {
    return exclusion(
      "data-retention",
      "routing.require_zero_data_retention",
      "it has no zero-data-retention agreement",
    );
  }
  if (maxCostNanoUsd !== undefined && (expectedCost(target) ?? 0) > maxCostNanoUsd) {
    return exclusion("cost", "routing.max_cost_nano_usd", "its expected cost is higher");
  }
  return undefined;
}

/** "eu" allows "eu" and "eu-west-1", not "europe". */
function isWithin(region: string, allowed: string): boolean {
  return region === allowed || region.startsWith(`${allowed}-`);
}

/** `needs`: bits of `capabilities`. */
export function excludedByCapability(target: RoutedTarget, needs: number): Exclusion | undefined {
  const missing = target.lacks & needs;
  if (missing === 0) return undefined;
  const lacked = capabilities.filter(({ bit }) => (missing & bit) !== 0);
  const names = lacked.map(({ name }) => name).join(", ");
  return exclusion("capability", lacked[0]?.field ?? "model", `its model lacks ${names}`);
}

export function excludedByContextWindow(target: RoutedTarget, inputTokens: number): Exclusion | undefined {
  const { contextWindow } = target.planned.target.facts;
  if (contextWindow === undefined || inputTokens <= contextWindow) return undefined;
  return exclusion(
    "context-window",
    "messages",
    `about ${inputTokens} input tokens do not fit its window of ${contextWindow}`,
  );
}

/**
 * The needs that may be given up when no target can meet them: reasoning is a parameter like temperature, which the
 * caller's policy for unsupported parameters may let us leave out (with a warning) rather than refuse the call.
 */
export function needsWithoutOptional(needs: number, request: CompleteRequest): number {
  const mayDrop = request.unsupportedParameters !== UnsupportedParameterPolicy.REJECT;
  return mayDrop ? needs & ~capabilityBit.reasoning : needs;
}

function exclusion(because: Exclusion["because"], field: string, description: string): Exclusion {
  return { because, violation: { field, description } };
}
