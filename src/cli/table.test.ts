import { expect, it } from "vitest";
import { formatUsd } from "./format-usd.ts";
import { formatTable } from "./table.ts";

it("makes columns as wide as their widest cell, numbers to the right", () => {
  const columns = [
    { title: "NAME", align: "left" },
    { title: "N", align: "right" },
  ] as const;
  expect(
    formatTable(columns, [
      ["a", "1"],
      ["longer", "1000"],
    ]),
  ).toBe("NAME       N\na          1\nlonger  1000\n");
});

it("writes money to the millionth of a dollar, rounded half up", () => {
  expect([0n, 499n, 500n, 1_234_567n, 5_000_000_000_000n, -1_500n, -1n].map(formatUsd)).toEqual([
    "0.000000",
    "0.000000",
    "0.000001",
    "0.001235",
    "5000.000000",
    "-0.000002",
    "0.000000",
  ]);
});
