import { describe, expect, it } from "vitest";
import { runGatewaySuite } from "./gateway-suite.ts";
import { seededRandom } from "./seeded-random.ts";

describe("a gateway that is killed while it serves, with and without NATS", () => {
  it("has exactly one event, with the provider's counts, for each answer that a caller received", async () => {
    const report = await runGatewaySuite({ rounds: 3, random: seededRandom(7), say: () => undefined });
    expect(report.problems).toEqual([]);
    expect(report.finished).toBeGreaterThan(50);
  }, 120_000);
});
