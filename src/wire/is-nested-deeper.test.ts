import fc from "fast-check";
import { expect, it } from "vitest";
import { isNestedDeeper } from "./is-nested-deeper.ts";

function depthOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

it("knows the depth of any JSON", () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 6 }), fc.nat({ max: 6 }), (text, depthMax) => {
      expect(isNestedDeeper(text, depthMax)).toBe(depthOf(JSON.parse(text)) > depthMax);
    }),
    { numRuns: 500 },
  );
});

it("counts no brackets inside strings, however they are escaped", () => {
  const strings = ["[[[[", '\\"[[[[', "\\\\", '\\\\\\"{{{{', "\\"].map((text) => JSON.stringify(text));
  expect(isNestedDeeper(`[${strings.join(",")}]`, 1)).toBe(false);
  expect(isNestedDeeper(`[${strings.join(",")},[]]`, 1)).toBe(true);
});

it("stands half a text", () => {
  expect(isNestedDeeper("[".repeat(100_000), 1_000)).toBe(true);
  expect(isNestedDeeper(`["${"[".repeat(100_000)}`, 1_000)).toBe(false);
});
