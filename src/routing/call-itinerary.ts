// One call's way through its targets. It holds the one budget of attempts, what each candidate has done in this call, and
// which decision comes next; what outlives the call is in `TargetHealth`.
import type { Attempt } from "../contract.ts";
import type { CallFailure } from "../domain/call-failure.ts";
import type { HttpHeaders } from "../domain/http.ts";
import type { ProviderFailure } from "../domain/provider-failure.ts";
import { unreachable } from "../domain/unreachable.ts";
import { backoffMs } from "./backoff.ts";
import { decide, type FailureRule, ruleOf } from "./decide.ts";
import { toCallFailure } from "./give-up.ts";
import type { Itinerary, PlannedTarget, RouteStep, SkippedTarget } from "./itinerary.ts";
import type { RoutedTarget } from "./route.ts";
import type { RoutingLimits } from "./routing-limits.ts";
import type { Served, TargetHealth } from "./target-health.ts";
import { isBusy } from "./why-skipped.ts";

export type CallPlan = {
  readonly ruleId: string;
  readonly modelId: string;
  /** Best first; not empty. */
  readonly targets: readonly RoutedTarget[];
  readonly candidates: readonly PlannedTarget[];
  readonly skipped: readonly SkippedTarget[];
  readonly attemptsMax: number;
  /** `undefined`: no hedging; 0: after the p95 of the target. */
  readonly hedgeDelayMs: number | undefined;
  readonly inputTokens: number;
  /** The caller set time-outs of its own: what runs into them says nothing about the target. */
  readonly hasOwnTimeouts: boolean;
  readonly deadlineMs: number | undefined;
  readonly limits: RoutingLimits;
  readonly random: () => number;
  /** Hears which target served. */
  readonly onServed: ((target: RoutedTarget, nowMs: number) => void) | undefined;
};

/** What a candidate did in this call. */
type Progress = "fresh" | "offered" | "running" | "failed" | "ruled-out";

type Wait = { readonly index: number; readonly atMs: number };

export class CallItinerary implements Itinerary {
  readonly #plan: CallPlan;
  readonly #progress: Progress[] = [];
  readonly #failures: ProviderFailure[] = [];
  #attempts = 0;
  #unsupported = 0;
  #latestRule: FailureRule | undefined;
  #latestIndex = -1;
  #backoffMs = 0;
  #retryAtMs = 0;
  /** Since when it waits for a free place; `undefined`: it does not. */
  #busySinceMs: number | undefined;

  constructor(plan: CallPlan) {
    this.#plan = plan;
    for (let index = plan.targets.length; index > 0; index -= 1) this.#progress.push("fresh");
  }

  get ruleId(): string {
    return this.#plan.ruleId;
  }

  get modelId(): string {
    return this.#plan.modelId;
  }

  get candidates(): readonly PlannedTarget[] {
    return this.#plan.candidates;
  }

  get skipped(): readonly SkippedTarget[] {
    return this.#plan.skipped;
  }

  next(nowMs: number): RouteStep {
    const { attemptsMax, deadlineMs, limits } = this.#plan;
    const attemptsLeft = attemptsMax - this.#attempts;
    const ready = attemptsLeft > 0 ? this.#readyIndex(nowMs) : -1;
    // The common case, alone at the top for speed: a fresh target of the model that is ready, and time for it.
    const latest = this.#plan.candidates[this.#latestIndex];
    const sameModel = latest === undefined || this.#plan.candidates[ready]?.modelId === latest.modelId;
    const leftMs = deadlineMs === undefined ? Number.POSITIVE_INFINITY : deadlineMs - nowMs - limits.attemptMsMin;
    if (ready >= 0 && sameModel && leftMs >= 0) return this.#attempt(ready, 0, nowMs);

    const wait = this.#earliestWait(nowMs);
    const decision = decide(this.#latestRule, {
      attemptsLeft,
      otherTarget: ready < 0 ? "none" : sameModel ? "same-model" : "other-model",
      waitMs: wait === undefined ? undefined : Math.max(0, Math.ceil(wait.atMs - nowMs)),
      waitIsForSame: wait?.index === this.#latestIndex,
      waitMsMax: Math.min(leftMs, limits.waitMsMax),
    });
    switch (decision.kind) {
      case "next-target":
        return this.#attempt(ready, 0, nowMs);
      case "retry":
        return this.#attempt(wait?.index ?? ready, decision.afterMs, nowMs);
      case "give-up":
        return this.#waitForPlace(decision.because, nowMs, leftMs) ?? this.#giveUp(decision.because, nowMs);
      default:
        return unreachable(decision);
    }
  }

  started(planned: PlannedTarget, _nowMs: number): void {
    const index = this.#indexOf(planned);
    const health = this.#healthAt(index);
    if (this.#progress[index] === "offered") health?.grantEnded();
    this.#progress[index] = "running";
    health?.started();
  }

  unsupported(planned: PlannedTarget): void {
    const index = this.#indexOf(planned);
    const health = this.#end(index);
    this.#progress[index] = "ruled-out";
    this.#attempts -= 1;
    this.#unsupported += 1;
    health?.breaker.release();
  }

  failed(planned: PlannedTarget, failure: ProviderFailure, nowMs: number): void {
    const { limits, random, targets } = this.#plan;
    const index = this.#indexOf(planned);
    const health = this.#end(index);
    const rule = this.#ruleOf(failure);
    health?.failed(failure, rule, nowMs);
    this.#failures.push(failure);
    this.#latestRule = rule;
    this.#latestIndex = index;
    // A refused key that left the circuit closed has a sibling: the credential store rotates, and the target may serve.
    const again = rule.again || (rule.blame === "circuit-for-long" && health?.breaker.state(nowMs) === "closed");
    this.#progress[index] = again ? "failed" : "ruled-out";
    if (again) {
      this.#backoffMs = backoffMs(this.#backoffMs, random(), limits);
      this.#retryAtMs = nowMs + this.#backoffMs; // The provider's own wait stands in the target's cooldown.
    }
    if (rule.elsewhere === "any") return;
    const failedTarget = targets[index];
    if (failedTarget === undefined) return;
    for (const [other, target] of targets.entries()) {
      if (
        this.#progress[other] !== "running" &&
        !mayCure(target, failedTarget, rule, failure, this.#plan.inputTokens)
      ) {
        this.#progress[other] = "ruled-out";
      }
    }
  }

  succeeded(planned: PlannedTarget, seen: Served, nowMs: number): void {
    const index = this.#indexOf(planned);
    this.#end(index)?.succeeded(seen, nowMs);
    this.#progress[index] = "ruled-out"; // It has served: nothing is to be asked of it again.
    const target = this.#plan.targets[index];
    if (target !== undefined) this.#plan.onServed?.(target, nowMs);
  }

  cancelled(planned: PlannedTarget, _nowMs: number): void {
    const index = this.#indexOf(planned);
    this.#end(index)?.breaker.release();
    this.#progress[index] = "ruled-out";
  }

  observed(planned: PlannedTarget, headers: HttpHeaders, nowMs: number): void {
    this.#healthAt(this.#indexOf(planned))?.observed(headers, nowMs);
  }

  /** A place may become free at any moment: looked for as long as any other wait may take, within the deadline. */
  #waitForPlace(because: "attempts" | "deadline" | "no-target", nowMs: number, leftMs: number): RouteStep | undefined {
    const { targets, limits, random } = this.#plan;
    const isFull = targets.some(
      (target, index) => this.#progress[index] === "fresh" && target.health.isUsable(nowMs) && isBusy(target),
    );
    if (because !== "no-target" || !isFull) return undefined;
    this.#busySinceMs ??= nowMs;
    const afterMs = Math.ceil(limits.busyLookMs * (0.5 + random())); // Spread, so that they do not all look at once.
    const waitedMs = nowMs + afterMs - this.#busySinceMs;
    return waitedMs <= limits.waitMsMax && afterMs <= leftMs ? { kind: "wait", afterMs } : undefined;
  }

  /** First fresh target that may be called now; -1: none. One that is near its rate limit waits behind the others. */
  #readyIndex(nowMs: number): number {
    const { targets, inputTokens } = this.#plan;
    let slowed = -1;
    for (let index = 0; index < targets.length; index += 1) {
      const target = targets[index];
      if (target === undefined || this.#progress[index] !== "fresh") continue;
      if (!target.health.isUsable(nowMs) || isBusy(target)) continue;
      if (target.health.providerLimits.waitMs(inputTokens, nowMs) === 0) return index;
      if (slowed < 0) slowed = index;
    }
    return slowed;
  }

  /** The candidate that may be called first after a wait: one that cools down, or one that failed and may again. */
  #earliestWait(nowMs: number): Wait | undefined {
    const { targets, limits, random } = this.#plan;
    let best: Wait | undefined;
    for (const [index, target] of targets.entries()) {
      const atMs = this.#callableAtMs(index, target, nowMs);
      if (atMs !== undefined && (best === undefined || atMs < best.atMs)) best = { index, atMs };
    }
    if (best === undefined || best.atMs <= nowMs) return best;
    return { index: best.index, atMs: best.atMs + Math.floor(random() * limits.waitJitterMsMax) };
  }

  /** `undefined`: not at all, or nobody knows when. */
  #callableAtMs(index: number, { health, planned }: RoutedTarget, nowMs: number): number | undefined {
    const progress = this.#progress[index];
    if (isBusy({ health, planned })) return undefined;
    if (progress === "fresh") return Math.max(nowMs, health.usableAtMs);
    if (progress !== "failed" || !health.retries.has(nowMs)) return undefined;
    return Math.max(this.#retryAtMs, health.usableAtMs);
  }

  #attempt(index: number, afterMs: number, nowMs: number): RouteStep {
    const target = this.#plan.targets[index];
    if (target === undefined) return this.#giveUp("no-target", nowMs);
    const { health, planned } = target;
    if (this.#progress[index] === "failed") health.retries.take();
    this.#progress[index] = "offered";
    // Counted from here on, so that calls that come at the same time do not all find the last free place.
    health.granted();
    this.#attempts += 1;
    // The provider's limit is nearly reached and no other target is ready: slow down, but let the provider have the word.
    const slowMs = afterMs > 0 ? 0 : this.#slowDownMs(health, nowMs);
    // Taken now and not when it starts, so that calls that wait at the same time come one after the other.
    health.providerLimits.take(this.#plan.inputTokens);
    health.breaker.reserve(nowMs + afterMs + slowMs);
    return { kind: "attempt", planned, afterMs: afterMs + slowMs, hedgeAfterMs: this.#hedgeAfterMs(health, nowMs) };
  }

  #slowDownMs(health: TargetHealth, nowMs: number): number {
    const { inputTokens, deadlineMs, limits } = this.#plan;
    const waitMs = health.providerLimits.waitMs(inputTokens, nowMs);
    if (waitMs === 0) return 0;
    const fits = deadlineMs === undefined || nowMs + waitMs + limits.attemptMsMin <= deadlineMs;
    return waitMs <= limits.waitMsMax && fits ? waitMs : 0;
  }

  /** Only when a second attempt is within the budget and has a target to go to. */
  #hedgeAfterMs(health: TargetHealth, nowMs: number): number | undefined {
    const { hedgeDelayMs, attemptsMax } = this.#plan;
    if (hedgeDelayMs === undefined || this.#attempts >= attemptsMax || this.#readyIndex(nowMs) < 0) return undefined;
    return hedgeDelayMs > 0 ? hedgeDelayMs : health.timeToFirstTokenMsP95;
  }

  #giveUp(because: "attempts" | "deadline" | "no-target", nowMs: number): RouteStep {
    const { targets, limits } = this.#plan;
    let healthyAtMs: number | undefined;
    for (const { health } of targets) {
      const { recoversAtMs } = health;
      if (recoversAtMs > nowMs) healthyAtMs = Math.min(healthyAtMs ?? recoversAtMs, recoversAtMs);
    }
    const facts = {
      failures: this.#failures,
      because,
      allUnsupported: this.#unsupported === targets.length,
      healthyInMs: healthyAtMs === undefined ? undefined : healthyAtMs - nowMs,
      limits,
    };
    return {
      kind: "give-up",
      toFailure: (attempts: readonly Attempt[]): CallFailure => toCallFailure(facts, attempts),
    };
  }

  /** A caller with time-outs of a millisecond must not open the circuit for everybody else. */
  #ruleOf(failure: ProviderFailure): FailureRule {
    const rule = ruleOf(failure, this.#plan.limits);
    const isOurTimeout = failure.kind === "timeout" && (failure.facts.httpStatus ?? 0) === 0;
    return isOurTimeout && this.#plan.hasOwnTimeouts ? { ...rule, blame: "nothing" } : rule;
  }

  /** The attempt is over, whether it had started or not. */
  #end(index: number): TargetHealth | undefined {
    const health = this.#healthAt(index);
    if (this.#progress[index] === "running") health?.ended();
    else if (this.#progress[index] === "offered") health?.grantEnded();
    return health;
  }

  #healthAt(index: number): TargetHealth | undefined {
    return this.#plan.targets[index]?.health;
  }

  #indexOf(planned: PlannedTarget): number {
    const index = this.#plan.candidates.indexOf(planned);
    if (index < 0) throw new Error(`target ${planned.target.id} is not a candidate of this call`);
    return index;
  }
}

function mayCure(
  target: RoutedTarget,
  failed: RoutedTarget,
  rule: FailureRule,
  failure: ProviderFailure,
  inputTokens: number,
): boolean {
  switch (rule.elsewhere) {
    case "any":
      return true;
    case "none":
      return false;
    case "other-model":
      return target.planned.modelId !== failed.planned.modelId;
    case "other-provider":
      return target.planned.target.providerKind !== failed.planned.target.providerKind;
    case "larger-window": {
      const window = target.planned.target.facts.contextWindow;
      if (window === undefined) return target.planned.target.model !== failed.planned.target.model;
      const { contextLimit, contextActual } = failure.facts;
      const tooSmall = failed.planned.target.facts.contextWindow ?? contextLimit ?? inputTokens;
      return window > Math.max(tooSmall, contextActual ?? 0);
    }
    default:
      return unreachable(rule.elsewhere);
  }
}
