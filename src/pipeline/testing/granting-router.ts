import { ErrorReason } from "../../contract.ts";
import { CallFailure } from "../../domain/call-failure.ts";
import type { Target } from "../../domain/target.ts";
import type { Itinerary, PlannedTarget, Router, RouteStep, SkippedTarget } from "../../routing/itinerary.ts";

/** One attempt that was granted, and how the pipeline said that it ended: exactly once, or the target stays in flight. */
export type Grant = { readonly planned: PlannedTarget; isStarted: boolean; readonly ends: string[] };

export type GrantingOptions = {
  readonly targets: readonly Target[];
  readonly hedgeAfterMs?: number | undefined;
  /** Wait before every attempt but the first. Default 0. */
  readonly retryAfterMs?: number | undefined;
  readonly skipped?: readonly SkippedTarget[] | undefined;
  /** Why the first target is left out, beside `skipped`. */
  readonly skipsFirst?: SkippedTarget["because"] | undefined;
  readonly ruleId?: string | undefined;
};

/** Grants one target after the other, whatever the failure, and keeps a record. */
export class GrantingRouter implements Router {
  readonly grants: Grant[] = [];
  readonly modelIds = ["m"];
  readonly #options: GrantingOptions;

  constructor(options: GrantingOptions) {
    this.#options = options;
  }

  begin(): Itinerary {
    return new GrantingItinerary(this.#options, this.grants);
  }

  targets(): readonly Target[] {
    return this.#options.targets;
  }

  reachableTargets(): readonly Target[] {
    return this.#options.targets;
  }
}

class GrantingItinerary implements Itinerary {
  readonly ruleId: string;
  readonly modelId = "m";
  readonly candidates: readonly PlannedTarget[];
  readonly skipped: readonly SkippedTarget[];
  readonly #options: GrantingOptions;
  readonly #record: Grant[];
  readonly #own: Grant[] = [];

  constructor(options: GrantingOptions, record: Grant[]) {
    this.#options = options;
    this.#record = record;
    this.ruleId = options.ruleId ?? "";
    const { skipsFirst } = options;
    const planned = options.targets.map((target) => ({ target, modelId: "m" }));
    const left = skipsFirst === undefined ? [] : planned.slice(0, 1).map((one) => ({ ...one, because: skipsFirst }));
    this.skipped = [...(options.skipped ?? []), ...left];
    this.candidates = planned.slice(left.length);
  }

  next(): RouteStep {
    const { hedgeAfterMs, retryAfterMs } = this.#options;
    const planned = this.candidates[this.#own.length];
    if (planned === undefined) {
      const toFailure = () => new CallFailure(ErrorReason.PROVIDER_UNAVAILABLE, "all failed", { retryAfterMs: 1 });
      return { kind: "give-up", toFailure };
    }
    const afterMs = this.#own.length === 0 ? 0 : (retryAfterMs ?? 0);
    const grant: Grant = { planned, isStarted: false, ends: [] };
    this.#own.push(grant);
    this.#record.push(grant);
    return { kind: "attempt", planned, afterMs, hedgeAfterMs };
  }

  started(planned: PlannedTarget): void {
    this.#grantOf(planned).isStarted = true;
  }

  unsupported(planned: PlannedTarget): void {
    this.#grantOf(planned).ends.push("unsupported");
  }

  failed(planned: PlannedTarget): void {
    this.#grantOf(planned).ends.push("failed");
  }

  succeeded(planned: PlannedTarget): void {
    this.#grantOf(planned).ends.push("succeeded");
  }

  cancelled(planned: PlannedTarget): void {
    this.#grantOf(planned).ends.push("cancelled");
  }

  observed(): void {}

  #grantOf(planned: PlannedTarget): Grant {
    const grant = this.#own.find((one) => one.planned === planned);
    if (grant === undefined) throw new Error("a target that was not granted");
    return grant;
  }
}
