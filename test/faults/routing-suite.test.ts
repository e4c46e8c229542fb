import { describe, expect, it } from "vitest";
import { runRoutingSuite } from "./routing-suite.ts";

describe("three providers of which one does not do its duty", () => {
  it("serve 99.9 % of the calls, each within its budget of attempts, and say nothing twice", async () => {
    const report = await runRoutingSuite({ strategies: ["priority"], calls: 40, say: () => undefined });
    expect(report).toMatchObject({ wrongTexts: 0, overBudget: 0, eventsMissing: 0, failures: {} });
    expect(report.succeeded / report.calls).toBeGreaterThanOrEqual(0.999);
    expect(report.streamsRestarted).toBeGreaterThan(0); // Else nothing was cut.
    expect(report.attempts).toBeGreaterThan(report.calls);
  }, 180_000);
});
