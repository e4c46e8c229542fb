import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { KeyRing } from "./key-ring.ts";

function ringOf(...values: string[]): KeyRing {
  const ring = new KeyRing(values.length);
  for (const [index, value] of values.entries()) ring.used(index, value);
  return ring;
}

describe("KeyRing", () => {
  it("stays with the first key while it is in good standing", () => {
    expect(ringOf("a", "b").best(0)).toBe(0);
  });

  it("moves on from a rate-limited key and comes back to it", () => {
    const ring = ringOf("a", "b");
    const put = ring.refused("a", "rate-limited", 1_000);
    expect(ring.best(1_000)).toBe(1);
    expect(ring.best(put?.untilMs ?? 0)).toBe(0);
  });

  it("keeps a refused key away for longer than a rate-limited one", () => {
    const ring = ringOf("a", "b");
    const refused = ring.refused("a", "credentials-rejected", 0);
    const limited = ring.refused("b", "rate-limited", 0);
    expect(refused?.untilMs).toBeGreaterThan(limited?.untilMs ?? 0);
    expect(ring.order(0)).toEqual([1, 0]);
  });

  it("takes a key with a new value as a new key", () => {
    const ring = ringOf("a", "b");
    ring.refused("a", "credentials-rejected", 0);
    ring.used(0, "a2");
    expect(ring.best(0)).toBe(0);
  });

  it("knows nothing of a key that is no longer in use", () => {
    expect(ringOf("a").refused("old", "credentials-rejected", 0)).toBeUndefined();
  });

  it("always names a key, and one in good standing if there is any", () => {
    const refusals = fc.array(
      fc.record({
        key: fc.constantFrom("a", "b", "c"),
        because: fc.constantFrom("credentials-rejected", "rate-limited"),
        atMs: fc.nat(1_000_000),
      }),
    );
    fc.assert(
      fc.property(refusals, fc.nat(2_000_000), (list, nowMs) => {
        const ring = ringOf("a", "b", "c");
        const backAt = new Map<number, number>();
        for (const { key, because, atMs } of list) {
          const put = ring.refused(key, because, atMs);
          if (put !== undefined) backAt.set(put.index, Math.max(put.untilMs, backAt.get(put.index) ?? 0));
        }
        const healthy = [0, 1, 2].filter((index) => (backAt.get(index) ?? 0) <= nowMs);
        const best = ring.best(nowMs);
        expect([0, 1, 2]).toContain(best);
        if (healthy.length > 0) expect(best).toBe(healthy[0]);
        expect([...ring.order(nowMs)].sort()).toEqual([0, 1, 2]);
      }),
    );
  });
});
