import fc from "fast-check";
import { expect, it } from "vitest";
import { Histogram } from "./histogram.ts";

it("counts a value that equals a bound below it, as `le` says, and none above", () => {
  const histogram = new Histogram([1, 2]);
  for (const value of [1, 1.5, 2, 3]) histogram.observe(value);
  expect(histogram.format("x", 'a="b"')).toBe(
    [
      'x_bucket{a="b",le="1"} 1',
      'x_bucket{a="b",le="2"} 3',
      'x_bucket{a="b",le="+Inf"} 4',
      'x_sum{a="b"} 7.5',
      'x_count{a="b"} 4',
      "",
    ].join("\n"),
  );
});

it("has nothing to say before the first value", () => {
  expect(new Histogram([1]).format("x", "")).toBe("");
});

it("counts every value once, in buckets that never fall", () => {
  fc.assert(
    fc.property(fc.array(fc.double({ noNaN: true, min: 0, max: 100 }), { minLength: 1 }), (values) => {
      const bounds = [0.5, 1, 10, 50];
      const histogram = new Histogram(bounds);
      for (const value of values) histogram.observe(value);
      const counts = [...histogram.format("x", "").matchAll(/_bucket\{.*\} (\d+)/g)].map(([, count]) => Number(count));
      expect(counts).toEqual([...bounds, Number.POSITIVE_INFINITY].map((le) => values.filter((v) => v <= le).length));
    }),
  );
});
