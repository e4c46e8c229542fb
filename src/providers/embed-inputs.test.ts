import fc from "fast-check";
import { expect, it } from "vitest";
import { toBatches } from "./embed-inputs.ts";

it("cuts a list into batches that keep order and limits, with nothing lost", () => {
  const sizes = fc.array(fc.nat({ max: 50 }), { maxLength: 100 });
  const limits = fc.record({ itemsMax: fc.integer({ min: 1, max: 10 }), bytesMax: fc.integer({ min: 1, max: 60 }) });
  fc.assert(
    fc.property(sizes, limits, (items, { itemsMax, bytesMax }) => {
      const batches = toBatches(items, { itemsMax, bytesMax }, (size) => size);
      expect(batches.flat()).toEqual(items);
      for (const batch of batches) {
        expect(batch.length).toBeGreaterThan(0);
        expect(batch.length).toBeLessThanOrEqual(itemsMax);
        const bytes = batch.reduce((sum, size) => sum + size, 0);
        // One item that is too large by itself goes alone.
        expect(bytes <= bytesMax || batch.length === 1).toBe(true);
      }
    }),
  );
});
