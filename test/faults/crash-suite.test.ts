import { describe, expect, it } from "vitest";
import { runCrashSuite } from "./crash-suite.ts";
import { seededRandom } from "./seeded-random.ts";

describe("a ledger whose process, NATS and disk fail at random instants", () => {
  it("loses no acknowledged call, books none twice, skips no number, and all sums agree", async () => {
    const report = await runCrashSuite({
      rounds: 5,
      duplicateWindowMs: 100,
      random: seededRandom(7),
      say: () => undefined,
    });
    expect(report.problems).toEqual([]);
    expect(report).toMatchObject({ rounds: 5, writerKills: 5, diskFaults: 2, livesWithoutNats: 1 });
    expect(report.finished).toBeGreaterThan(100);
    expect(report.booked).toBeGreaterThanOrEqual(report.started);
  }, 120_000);
});
