// The port between the life of a call and the deciding code: the pipeline asks for the next step, makes the attempt, and
// says how it went. Time and randomness come in as arguments; nothing here does I/O.
import type { Attempt, CompleteRequest } from "../contract.ts";
import type { BudgetFallback } from "../domain/budget-fallback.ts";
import type { CallFailure } from "../domain/call-failure.ts";
import type { Caller } from "../domain/principal.ts";
import type { ProviderFailure } from "../domain/provider-failure.ts";
import type { Target } from "../domain/target.ts";

export type RouteQuery = {
  readonly caller: Caller;
  /** Carries the named model, routing wishes, labels, end user, conversation, and what capability filters look at. */
  readonly request: CompleteRequest;
  readonly streaming: boolean;
  /** Estimated input tokens. */
  readonly inputTokens: number;
  readonly nowMs: number;
  /** Unix milliseconds; `undefined`: no deadline. */
  readonly deadlineMs: number | undefined;
  /** A budget that sends the call elsewhere; the caller must be allowed to name what it names all the same. */
  readonly budgetFallback?: BudgetFallback | undefined;
};

export interface Router {
  /**
   * Resolves the model, applies rules and filters, orders the targets. Throws `CallFailure`: MODEL_NOT_FOUND or
   * MODEL_NOT_ALLOWED (the second unless the caller may use all models), CAPABILITY_UNSUPPORTED when no target of the
   * model can serve what is asked.
   */
  begin(query: RouteQuery): Itinerary;
  /** Model ids and aliases in the order of the config. */
  readonly modelIds: readonly string[];
  /** Targets of a model, in configured order; `undefined`: no such model. */
  targets(modelId: string): readonly Target[] | undefined;
  /** Those of the model that may serve the caller, or of its fallbacks when it has none; `undefined`: nobody may. */
  reachableTargets(modelId: string, caller: Pick<Caller, "providers">): readonly Target[] | undefined;
}

/** The plan of one call, from the first attempt to the last. Single use. */
export interface Itinerary {
  /** Id of the rule that chose the model; "": none did. */
  readonly ruleId: string;
  /** Model id that the first target stands for. */
  readonly modelId: string;
  /** Every target that may be tried, best first: for the worst-case reservation and for StreamStarted.model. */
  readonly candidates: readonly PlannedTarget[];
  /** Targets left out without a call (open circuit, cooldown, limit), to be listed as SKIPPED attempts. */
  readonly skipped: readonly SkippedTarget[];
  next(nowMs: number): RouteStep;
  /** The attempt now begins: counts as in flight. */
  started(target: PlannedTarget, nowMs: number): void;
  /** The target cannot express the request (found in translation): not an attempt, not a fault of the target. */
  unsupported(target: PlannedTarget): void;
  failed(target: PlannedTarget, failure: ProviderFailure, nowMs: number): void;
  /** `timeToFirstTokenMs` and `outputTokens` feed the latency and throughput strategies. */
  succeeded(
    target: PlannedTarget,
    seen: {
      readonly durationMs: number;
      readonly timeToFirstTokenMs: number | undefined;
      readonly outputTokens: number | undefined;
    },
    nowMs: number,
  ): void;
  /** The caller went away, or a hedge lost: says nothing about the target's health. */
  cancelled(target: PlannedTarget, nowMs: number): void;
  /** Rate-limit headers of any answer, success or failure, so that we slow down before the 429. */
  observed(target: PlannedTarget, headers: Readonly<Record<string, string>>, nowMs: number): void;
}

export type PlannedTarget = {
  readonly target: Target;
  /** Model id of the config that this target stands for (differs from the named one after a fallback). */
  readonly modelId: string;
};

export type SkippedTarget = PlannedTarget & {
  readonly because: "circuit-open" | "cooling-down" | "rate-limited" | "busy";
};

export type RouteStep =
  | {
      readonly kind: "attempt";
      readonly planned: PlannedTarget;
      /** Wait before it starts (backoff, provider's wait time). */
      readonly afterMs: number;
      /** Start a second attempt when this one gave no content for so long; `undefined`: no hedging. */
      readonly hedgeAfterMs: number | undefined;
    }
  /** Every target that may serve is at its limit of calls in flight: ask again after so long. */
  | { readonly kind: "wait"; readonly afterMs: number }
  /** Nothing is left to try. `toFailure` gives the error of the whole call, from the table of the contract. */
  | { readonly kind: "give-up"; toFailure(attempts: readonly Attempt[]): CallFailure };
