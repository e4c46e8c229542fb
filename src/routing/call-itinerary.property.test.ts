// Laws of the deciding code under any weather: many calls over shared targets, with a virtual clock.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Strategy } from "../config/config.ts";
import { type FailureKind, ProviderFailure } from "../domain/provider-failure.ts";
import type { Itinerary, PlannedTarget } from "./itinerary.ts";
import { createRouter, type RoutingDesk } from "./router.ts";
import { modelConfig, queryOf, requestOf, targetConfig, targetOf } from "./routing-fixture.ts";
import { routingLimits } from "./routing-limits.ts";

const kinds: readonly FailureKind[] = [
  "rejected-request",
  "context-length",
  "content-filtered",
  "payload-too-large",
  "media-unreadable",
  "credentials-rejected",
  "quota-exhausted",
  "rate-limited",
  "overloaded",
  "unavailable",
  "timeout",
  "bad-response",
  "interrupted",
];

const outcome = fc.record({
  what: fc.constantFrom("succeeded", "cancelled", "unsupported", ...kinds),
  tookMs: fc.integer({ min: 0, max: 3_000 }),
  retryAfterMs: fc.option(fc.integer({ min: 0, max: 20_000 }), { nil: undefined }),
});

const call = fc.record({
  gapMs: fc.integer({ min: 0, max: 15_000 }),
  timeoutMs: fc.option(fc.integer({ min: 0, max: 30_000 }), { nil: undefined }),
  maxAttempts: fc.option(fc.integer({ min: 1, max: 16 }), { nil: undefined }),
  outcomes: fc.array(outcome, { minLength: 1, maxLength: 6 }),
});

const strategies: readonly Strategy[] = ["priority", "weighted", "cost", "latency", "throughput", "least_busy"];

type Call = {
  readonly timeoutMs: number | undefined;
  readonly maxAttempts: number | undefined;
  readonly outcomes: readonly Outcome[];
};

type Outcome = { readonly what: string; readonly tookMs: number; readonly retryAfterMs: number | undefined };

describe("a call", () => {
  it("never passes its budget, calls no target that is open or cooling, and starts nothing past its deadline", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...strategies),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 4 }),
        fc.array(call, { maxLength: 25 }),
        fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { minLength: 1, maxLength: 20 }),
        (strategy, budget, targetCount, calls, draws) => {
          let draw = 0;
          const random = (): number => draws[draw++ % draws.length] ?? 0;
          const targets = ["a", "b", "c", "d"].slice(0, targetCount).map((id) => targetConfig(id));
          const models = [
            modelConfig("chat", targets, { strategy, retry: { maxAttempts: budget }, fallbackModels: ["spare"] }),
            modelConfig("spare", [targetConfig("e")]),
          ];
          const router = createRouter({ models, targetOf, random, prices: { prices: () => undefined } });
          let nowMs = 0;
          for (const one of calls) nowMs = makeCall(router, one, budget, nowMs + one.gapMs);
          // Nothing is left in flight when every call is over.
          for (const { health } of router.targetStates(nowMs)) expect(health.inFlight).toBe(0);
        },
      ),
      { numRuns: 300 },
    );
  });
});

/** Makes one call as the pipeline does, checking the laws on the way; the time at its end. */
function makeCall(
  router: RoutingDesk,
  { timeoutMs, maxAttempts, outcomes }: Call,
  budget: number,
  startMs: number,
): number {
  const deadlineMs = timeoutMs === undefined ? undefined : startMs + timeoutMs;
  const request = requestOf("chat", "hi", { routing: maxAttempts === undefined ? {} : { maxAttempts } });
  const itinerary = router.begin(queryOf(request, { nowMs: startMs, deadlineMs }));
  const attemptsMax = Math.min(budget, maxAttempts ?? budget);
  let nowMs = startMs;
  let attempts = 0;
  for (let turn = 0; turn < turnsMax; turn += 1) {
    const step = itinerary.next(nowMs);
    if (step.kind === "give-up") {
      expect(step.toFailure([]).facts.retryAfterMs ?? 1).toBeGreaterThan(0);
      return nowMs;
    }
    expect(step.afterMs).toBeLessThanOrEqual(routingLimits.waitMsMax);
    nowMs += step.afterMs;
    if (step.kind === "wait") throw new Error("no target has a limit of calls in flight");
    expect(nowMs).toBeLessThan(deadlineMs ?? Number.POSITIVE_INFINITY);
    const state = router.targetStates(nowMs).find(({ target }) => target === step.planned.target);
    expect(state?.health.unavailableUntilMs).toBeUndefined();
    expect(state?.health.circuit).not.toBe("open");
    const outcome = outcomes[turn % outcomes.length] ?? { what: "succeeded", tookMs: 0, retryAfterMs: undefined };
    if (outcome.what !== "unsupported") {
      attempts += 1;
      expect(attempts).toBeLessThanOrEqual(attemptsMax);
      nowMs += outcome.tookMs;
    }
    if (report(itinerary, step.planned, outcome, nowMs)) return nowMs;
  }
  throw new Error("the call does not end");
}

const turnsMax = 40;

/** True: the call is over. */
function report(itinerary: Itinerary, planned: PlannedTarget, outcome: Outcome, nowMs: number): boolean {
  const { what, tookMs, retryAfterMs } = outcome;
  if (what === "unsupported") {
    itinerary.unsupported(planned);
    return false;
  }
  itinerary.started(planned, nowMs - tookMs);
  if (what === "succeeded") {
    itinerary.succeeded(planned, { durationMs: tookMs, timeToFirstTokenMs: tookMs, outputTokens: 9 }, nowMs);
    return true;
  }
  if (what === "cancelled") {
    itinerary.cancelled(planned, nowMs);
    return true;
  }
  const kind = kinds.find((one) => one === what) ?? "unavailable";
  itinerary.failed(planned, new ProviderFailure(kind, "failed", { retryAfterMs }), nowMs);
  return false;
}
