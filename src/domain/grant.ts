// What a credential, or the tenant that it belongs to, lets a call be. A caller has what all of them allow.

import type { ModalityName } from "./modality.ts";

/** Absent: all, or not limited. */
export type Grant = {
  /** Model ids that may be named, each perhaps with "*" at its end for any ending; ["*"]: all. See `mayNameModel`. */
  readonly models?: readonly string[] | undefined;
  /** Providers that may serve, by id, kind or OpenTelemetry name in lower case, perhaps with "*" at the end. */
  readonly providers?: readonly string[] | undefined;
  /** What a request may hold. */
  readonly inputModalities?: readonly ModalityName[] | undefined;
  /** What a request may ask for. */
  readonly outputModalities?: readonly ModalityName[] | undefined;
  /** Most input tokens of a call, by the estimate that limits and budgets go by. */
  readonly inputTokensMax?: number | undefined;
  /** Most output tokens of a call. */
  readonly outputTokensMax?: number | undefined;
};

/** What both allow. */
export function narrowGrant(a: Grant, b: Grant): Grant {
  return {
    models: commonPatterns(a.models, b.models),
    providers: commonPatterns(a.providers, b.providers),
    inputModalities: common(a.inputModalities, b.inputModalities),
    outputModalities: common(a.outputModalities, b.outputModalities),
    inputTokensMax: least(a.inputTokensMax, b.inputTokensMax),
    outputTokensMax: least(a.outputTokensMax, b.outputTokensMax),
  };
}

/** Whether `wanted` allows nothing that `own` does not. */
export function isWithinGrant(wanted: Grant, own: Grant): boolean {
  return (
    arePatternsWithin(wanted.models, own.models) &&
    arePatternsWithin(wanted.providers, own.providers) &&
    isSubset(wanted.inputModalities, own.inputModalities) &&
    isSubset(wanted.outputModalities, own.outputModalities) &&
    (wanted.inputTokensMax ?? Number.POSITIVE_INFINITY) <= (own.inputTokensMax ?? Number.POSITIVE_INFINITY) &&
    (wanted.outputTokensMax ?? Number.POSITIVE_INFINITY) <= (own.outputTokensMax ?? Number.POSITIVE_INFINITY)
  );
}

/** Whether a list lets a name through. A pattern counts as the names that it stands for: all of them must pass. */
export function matchesPattern(patterns: readonly string[], name: string): boolean {
  return (
    patterns.includes(name) ||
    patterns.some((pattern) => pattern.endsWith("*") && name.startsWith(pattern.slice(0, -1)))
  );
}

/** Of two patterns the names in common are those of the narrower one, or none. */
function commonPatterns(
  a: readonly string[] | undefined,
  b: readonly string[] | undefined,
): readonly string[] | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  const narrower = [
    ...a.filter((pattern) => matchesPattern(b, pattern)),
    ...b.filter((pattern) => matchesPattern(a, pattern)),
  ];
  return [...new Set(narrower)];
}

function common<Item>(a: readonly Item[] | undefined, b: readonly Item[] | undefined): readonly Item[] | undefined {
  return a === undefined || b === undefined ? (a ?? b) : a.filter((item) => b.includes(item));
}

function least(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.min(a, b);
}

function arePatternsWithin(wanted: readonly string[] | undefined, own: readonly string[] | undefined): boolean {
  return own === undefined || (wanted ?? ["*"]).every((pattern) => matchesPattern(own, pattern));
}

function isSubset<Item>(wanted: readonly Item[] | undefined, own: readonly Item[] | undefined): boolean {
  return own === undefined || (wanted?.every((item) => own.includes(item)) ?? false);
}
