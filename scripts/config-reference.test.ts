import { expect, it } from "vitest";
import { configReference, staleFiles } from "./config-reference.ts";

it("leaves docs/configuration.md and docs/config.schema.json as they are: run node scripts/config-reference.ts", () => {
  expect(staleFiles()).toEqual([]);
});

it("has a sentence for every key", () => {
  const text = configReference()["configuration.md"] ?? "";
  const rows = text.split("\n").filter((line) => /^\| `[a-z]+(\[\])?\./.test(line));
  expect(rows.length).toBeGreaterThan(80);
  expect(rows.filter((row) => /\|\s*\|$/.test(row))).toEqual([]);
});
