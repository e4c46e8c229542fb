import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { backoffMs } from "./backoff.ts";
import { cooldownMs } from "./cooldown.ts";
import { RetryBudget } from "./retry-budget.ts";
import { routingLimits as limits } from "./routing-limits.ts";

describe("backoffMs", () => {
  it("stays between its bounds and never above three times the backoff before", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 5_000 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (previous, random) => {
          const wait = backoffMs(previous, random, limits);
          expect(wait).toBeGreaterThanOrEqual(limits.backoffMsMin);
          expect(wait).toBeLessThanOrEqual(Math.min(limits.backoffMsMax, Math.max(previous, limits.backoffMsMin) * 3));
        },
      ),
    );
  });
});

describe("cooldownMs", () => {
  it.each([
    { why: "the provider's wait", retryAfterMs: 7_000, inARow: 3, expected: 7_000 },
    { why: "no wait, first 429", retryAfterMs: undefined, inARow: 1, expected: limits.cooldownMsDefault },
    { why: "no wait, third 429 in a row", retryAfterMs: undefined, inARow: 3, expected: limits.cooldownMsDefault * 4 },
    { why: "a wait beyond all measure", retryAfterMs: 10 ** 12, inARow: 1, expected: limits.cooldownMsMax },
    { why: "a wait of nothing", retryAfterMs: 0, inARow: 1, expected: 0 },
  ])("rests for $why: $expected ms", ({ retryAfterMs, inARow, expected }) => {
    expect(cooldownMs(retryAfterMs, inARow, limits)).toBe(expected);
  });
});

describe("RetryBudget", () => {
  it("stops a storm after a burst, and earns retries back by time and by success", () => {
    const budget = new RetryBudget(limits);
    let retries = 0;
    while (budget.has(0)) {
      budget.take();
      retries += 1;
    }
    expect(retries).toBe(limits.retryTokensMax);
    expect(budget.has(999)).toBe(false);
    expect(budget.has(1_000)).toBe(true);
    budget.take();
    for (let count = 0; count < 11; count += 1) budget.succeeded();
    expect(budget.has(1_000)).toBe(true);
  });
});
