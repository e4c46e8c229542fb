import fc from "fast-check";
import { expect, test } from "vitest";
import { LiveTable } from "./live-table.ts";

/** Keys that meet in the same slots. */
const colliding = (key: number): number => key >> 2;

test("a table answers as a Map does, whatever comes and goes", () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("set" as const), key: fc.nat(120), value: fc.nat() }),
    fc.record({ kind: fc.constant("take" as const), key: fc.nat(120) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), fc.nat(120), (steps, asked) => {
      const table = new LiveTable<number, number>(colliding);
      const model = new Map<number, number>();
      for (const one of steps) {
        if (one.kind === "set") {
          table.set(one.key, one.value);
          model.set(one.key, one.value);
        } else {
          expect(table.take(one.key)).toBe(model.get(one.key));
          model.delete(one.key);
        }
        expect(table.get(asked)).toBe(model.get(asked));
        expect(table.has(asked)).toBe(model.has(asked));
        expect(table.size).toBe(model.size);
      }
      expect(new Map(table.entries())).toEqual(model);
      expect(table.entries().length).toBe(model.size);
    }),
  );
});

test("a table that was full and is emptied still finds what comes later", () => {
  const table = new LiveTable<number, string>(colliding);
  for (let key = 0; key < 1_000; key++) table.set(key, String(key));
  for (let key = 0; key < 1_000; key++) expect(table.take(key)).toBe(String(key));
  expect(table.size).toBe(0);
  table.set(7, "late");
  expect(table.values()).toEqual(["late"]);
  table.clear();
  expect(table.has(7)).toBe(false);
});

test("entries may leave while all of them are looked at", () => {
  const table = new LiveTable<number, number>(colliding);
  for (let key = 0; key < 20; key++) table.set(key, key);
  for (const [key] of table.entries()) table.take(key);
  expect(table.size).toBe(0);
});
