import type { Price } from "../contract.ts";

/** Contracted prices of one model: they replace the listed ones of that model as a whole. */
export type PriceOverride = {
  /** Id of the configured provider, or its `gen_ai.provider.name`. */
  readonly provider: string;
  /** Model name sent to the provider; may end in `*`. */
  readonly model: string;
  /** Project for which alone they hold; `undefined`: for all. */
  readonly projectId: string | undefined;
  /** Unix milliseconds from which they hold; -Infinity: always. */
  readonly fromMs: number;
  readonly prices: readonly Price[];
  readonly version: string;
};

/** Finds what applies: a project's own before the general, a whole name before a pattern, then the latest start. */
export function findOverride(
  overrides: readonly PriceOverride[],
  at: {
    readonly providerId: string;
    readonly providerName: string;
    readonly model: string;
    readonly projectId: string;
    readonly atMs: number;
  },
): { readonly override: PriceOverride | undefined; readonly fromMs: number; readonly untilMs: number } {
  let best: PriceOverride | undefined;
  let fromMs = Number.NEGATIVE_INFINITY;
  let untilMs = Number.POSITIVE_INFINITY;
  for (const override of overrides) {
    if (override.provider !== at.providerId && override.provider !== at.providerName) continue;
    if (override.projectId !== undefined && override.projectId !== at.projectId) continue;
    if (!isModelMatch(override.model, at.model)) continue;
    if (override.fromMs > at.atMs) untilMs = Math.min(untilMs, override.fromMs);
    else fromMs = Math.max(fromMs, override.fromMs);
    if (override.fromMs <= at.atMs && (best === undefined || isBetter(override, best))) best = override;
  }
  return { override: best, fromMs, untilMs };
}

function isModelMatch(pattern: string, model: string): boolean {
  return pattern.endsWith("*") ? model.startsWith(pattern.slice(0, -1)) : pattern === model;
}

function isBetter(a: PriceOverride, b: PriceOverride): boolean {
  if ((a.projectId === undefined) !== (b.projectId === undefined)) return a.projectId !== undefined;
  const isPatternA = a.model.endsWith("*");
  const isPatternB = b.model.endsWith("*");
  if (isPatternA !== isPatternB) return isPatternB;
  if (a.model.length !== b.model.length) return a.model.length > b.model.length;
  return a.fromMs > b.fromMs;
}
