import { expect, it } from "vitest";
import { wordTable } from "./word-table.ts";

it("has its own rows and none of JavaScript's", () => {
  const table = wordTable({ stop: 1, length: 2 });
  expect(
    ["stop", "length", "constructor", "__proto__", "toString", "hasOwnProperty"].map((word) => table[word]),
  ).toEqual([1, 2, undefined, undefined, undefined, undefined]);
});
