import { expect, it } from "vitest";
import { answersHeading, providerPage, requestPart, standingPage } from "./provider-matrix.ts";

it("leaves docs/providers.md as it is: run node scripts/provider-matrix.ts", () => {
  // The other half of the page is about the recordings of this project, not about those that CORPUS_DIR names.
  if (process.env["CORPUS_DIR"] === undefined) expect(standingPage()).toBe(providerPage());
  else expect(standingPage().split(`\n\n${answersHeading}`)[0]).toBe(requestPart());
});

it("has no field that is dropped without a word", () => {
  expect(standingPage()).not.toContain("SILENT");
});
