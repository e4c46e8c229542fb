import { expect, it } from "vitest";
import { nearest } from "./nearest.ts";

it("finds what was meant: a swap, a lost letter, another case; and nothing far away", () => {
  const known = ["timeouts", "base_url", "kind", "credentials"];
  expect(
    ["timeuots", "timeout", "Base_URL", "knd", "credential", "whatever", ""].map((word) => nearest(word, known)),
  ).toEqual(["timeouts", "timeouts", "base_url", "kind", "credentials", undefined, undefined]);
});
