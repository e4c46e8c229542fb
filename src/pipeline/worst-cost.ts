// The most that a call may consume and cost, as far as that can be known before it is made: what limits and budgets reserve.
import { create } from "@bufbuild/protobuf";
import { type CompleteRequest, type Usage, UsageSchema } from "../contract.ts";
import type { PlannedTarget } from "../routing/itinerary.ts";
import { firstPriced } from "./first-priced.ts";
import type { PriceQuery, Pricer } from "./ports.ts";

/** From the estimated input tokens to usages that mean the same: what a model is billed by decides which of them counts. */
export type UnitsMost = (inputTokens: number) => readonly Usage[];

/** Most output tokens of one attempt at the most talkative candidate; `assumed` where nobody says. */
export function outputTokensMax(
  request: CompleteRequest,
  candidates: readonly PlannedTarget[],
  assumed: number,
): number {
  let most = 0;
  for (const { target } of candidates) most = Math.max(most, outputTokensBound(request, target.facts) ?? assumed);
  return most;
}

/** Output tokens that an attempt cannot pass, since the provider holds to them; `undefined`: nobody limits it. */
export function outputTokensBound(
  request: CompleteRequest,
  facts: PlannedTarget["target"]["facts"],
): number | undefined {
  return request.sampling?.maxOutputTokens ?? facts.maxOutputTokens;
}

/** The dearest permitted target decides; `undefined` when one of them has no price. */
export function worstCost(
  pricer: Pricer,
  candidates: readonly PlannedTarget[],
  usages: readonly Usage[],
  at: Pick<PriceQuery, "projectId" | "serviceTier" | "atMs">,
): bigint | undefined {
  let worst = 0n;
  for (const { target } of candidates) {
    const { providerId, providerName, model } = target;
    const { cost } = firstPriced(pricer, usages, { ...at, providerId, providerName, model });
    if (cost === undefined) return undefined;
    if (cost.totalNanoUsd > worst) worst = cost.totalNanoUsd;
  }
  return worst;
}

/** In input and output tokens, unless `unitsMost` knows better. */
export function usagesMost(inputTokens: number, outputTokens: number, unitsMost: UnitsMost | undefined) {
  return unitsMost?.(inputTokens) ?? [create(UsageSchema, { inputTokens, outputTokens })];
}
