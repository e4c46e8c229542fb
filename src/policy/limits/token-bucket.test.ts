import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createBucket, refill, take, toClaim, waitMs } from "./token-bucket.ts";

const asks = fc.array(
  fc.record({ afterMs: fc.integer({ min: -5_000, max: 40_000 }), amount: fc.integer({ min: 1, max: 50 }) }),
  { maxLength: 200, size: "max" },
);

describe("a token bucket", () => {
  it("passes in any stretch of time no more than its size and what has flowed in", () => {
    fc.assert(
      fc.property(fc.integer({ min: 50, max: 500 }), asks, (limit, script) => {
        const bucket = createBucket(limit, 60_000, 0);
        let nowMs = 0;
        let latestMs = 0;
        const passed: { readonly atMs: number; readonly amount: number }[] = [];
        for (const { afterMs, amount } of script) {
          nowMs += afterMs; // The clock may go back.
          latestMs = Math.max(latestMs, nowMs);
          refill(bucket, nowMs);
          if (waitMs(bucket, toClaim(bucket, amount)) > 0) continue;
          take(bucket, amount);
          passed.push({ atMs: latestMs, amount });
        }
        for (const [index, first] of passed.entries()) {
          let sum = 0;
          for (const { atMs, amount } of passed.slice(index)) {
            sum += amount;
            expect(sum).toBeLessThanOrEqual(limit + ((atMs - first.atMs) * limit) / 60_000 + 0.001);
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  it("says the truth about the wait: not a millisecond earlier, and then it passes", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000_000 }), fc.integer({ min: 1, max: 1_000 }), (limit, amount) => {
        const bucket = createBucket(limit, 60_000, 0);
        take(bucket, limit);
        const claim = toClaim(bucket, amount);
        const wait = waitMs(bucket, claim);
        refill(bucket, wait);
        expect(waitMs(bucket, claim)).toBe(0);
        if (wait < 2) return;
        const early = createBucket(limit, 60_000, 0);
        take(early, limit);
        refill(early, wait - 1);
        expect(waitMs(early, claim)).toBeGreaterThan(0);
      }),
    );
  });
});
