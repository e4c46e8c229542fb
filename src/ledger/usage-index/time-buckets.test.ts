import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { floorTo, split } from "./time-buckets.ts";

const sources = ["month", "day", "hour", "minute"] as const;
const time = fc.integer({ min: Date.UTC(2025, 0), max: Date.UTC(2027, 0) });
const times = fc.tuple(time, time).filter(([from, to]) => from < to);

describe("a time range", () => {
  it("is cut into pieces that join without a gap", () => {
    fc.assert(
      fc.property(times, fc.subarray([...sources]), ([from, to], kept) => {
        const ranges = split(from, to, kept);
        const edges = ranges.flatMap((range) => [range.from, range.to]);
        expect(edges).toEqual([...edges].sort((a, b) => a - b));
        expect([edges.at(0), edges.at(-1)]).toEqual([from, to]);
        expect(new Set(edges).size).toBe(ranges.length + 1);
      }),
    );
  });

  it("takes sums that are kept for whole buckets only, and single events for less than a minute at either end", () => {
    fc.assert(
      fc.property(times, ([from, to]) => {
        let singleMs = 0;
        for (const { source, ...range } of split(from, to, sources)) {
          if (source === "event") singleMs += range.to - range.from;
          else expect([floorTo(source, range.from), floorTo(source, range.to)]).toEqual([range.from, range.to]);
        }
        expect(singleMs).toBeLessThan(2 * 60_000);
      }),
    );
  });

  it("without bounds is one piece, and an empty one is none", () => {
    expect(split(-Infinity, Infinity, sources)).toEqual([{ source: "month", from: -Infinity, to: Infinity }]);
    expect(split(-Infinity, Infinity, [])).toEqual([{ source: "event", from: -Infinity, to: Infinity }]);
    expect(split(5, 5, sources)).toEqual([]);
  });
});
