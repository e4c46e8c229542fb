// The most that a call may consume and cost, as far as that can be known before it is made: what limits and budgets reserve.
import { create, type JsonObject } from "@bufbuild/protobuf";
import { type CompleteRequest, Modality, type Part, type Usage, UsageSchema } from "../contract.ts";
import type { MostConsumed } from "../metering/most-billed.ts";
import type { PlannedTarget } from "../routing/itinerary.ts";
import type { PriceQuery, Pricer } from "./ports.ts";

/** From the estimated input tokens to usages that mean the same: what a model is billed by decides which of them counts. */
export type UnitsMost = (inputTokens: number) => readonly Usage[];

/** Kinds of what a call may consume, by what its request says. */
export type MostKinds = Omit<MostConsumed, "usage"> & {
  /** The request leaves it to the model what it makes. */
  readonly asksForNoOutput: boolean;
};

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

/** `toolCallsAssumed`: of each tool of the provider that does not bound its calls itself. */
export function mostKindsOf(request: CompleteRequest, toolCallsAssumed: number): MostKinds {
  const parts = request.messages.flatMap((message) => message.parts);
  return {
    asksForCache: asksForCache(request, parts),
    hasMedia: parts.some(holdsMedia),
    makesMedia: request.outputModalities.some(isMedia),
    asksForNoOutput: request.outputModalities.length === 0,
    toolCalls: toolCallsMost(request, toolCallsAssumed),
  };
}

/** At one target. A model that is not known to make text alone may make sound or pictures unasked. */
export function mostConsumedAt({ target }: PlannedTarget, usage: Usage, kinds: MostKinds): MostConsumed {
  const makesTextAlone = target.facts.outputModalities?.every((name) => name === "text") === true;
  return { ...kinds, makesMedia: kinds.makesMedia || (kinds.asksForNoOutput && !makesTextAlone), usage };
}

/**
 * The dearest permitted target decides, and the dearest of the units that it may bill by; `undefined` when one of them has
 * no price.
 */
export function worstCost(
  pricer: Pricer,
  candidates: readonly PlannedTarget[],
  usages: readonly Usage[],
  kinds: MostKinds,
  queryOf: (planned: PlannedTarget) => PriceQuery,
): bigint | undefined {
  let worst = 0n;
  for (const planned of candidates) {
    const query = queryOf(planned);
    let most: bigint | undefined;
    for (const usage of usages) {
      const cost = pricer.mostBilled(mostConsumedAt(planned, usage, kinds), query);
      if (cost !== undefined && (most === undefined || cost > most)) most = cost;
    }
    if (most === undefined) return undefined;
    if (most > worst) worst = most;
  }
  return worst;
}

/** In input and output tokens, unless `unitsMost` knows better. */
export function usagesMost(inputTokens: number, outputTokens: number, unitsMost: UnitsMost | undefined) {
  return unitsMost?.(inputTokens) ?? [create(UsageSchema, { inputTokens, outputTokens })];
}

/** Options in a provider's own words may ask for anything. */
function asksForCache(request: CompleteRequest, parts: readonly Part[]): boolean {
  return (
    request.promptCache !== undefined ||
    !isEmpty(request.providerOptions) ||
    request.tools.some((tool) => tool.cacheBreakpoint !== undefined || !isEmpty(tool.providerOptions)) ||
    parts.some(marksCache)
  );
}

function marksCache(part: Part): boolean {
  if (part.cacheBreakpoint !== undefined || !isEmpty(part.providerOptions)) return true;
  return part.content.case === "provider" || resultParts(part).some(marksCache);
}

/** A part in a provider's own words may hold anything. */
function holdsMedia(part: Part): boolean {
  switch (part.content.case) {
    case "text":
    case "reasoning":
    case "refusal":
    case "toolCall":
      return !isEmpty(part.providerOptions);
    case "toolResult":
      return !isEmpty(part.providerOptions) || resultParts(part).some(holdsMedia);
    default:
      return true;
  }
}

function resultParts({ content }: Part): readonly Part[] {
  return content.case === "toolResult" ? content.value.content : noParts;
}

const noParts: readonly Part[] = [];

function isMedia(modality: Modality): boolean {
  return modality !== Modality.TEXT;
}

function toolCallsMost(request: CompleteRequest, assumed: number): number {
  let calls = 0;
  for (const { kind } of request.tools) {
    if (kind.case !== "provider") continue;
    const bound = kind.value.settings?.["max_uses"];
    calls += typeof bound === "number" && bound >= 0 ? Math.ceil(bound) : assumed;
  }
  return calls;
}

function isEmpty(options: Readonly<Record<string, JsonObject>>): boolean {
  for (const _ in options) return false;
  return true;
}
