import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type PeriodKind, periodAt } from "./period.ts";

const kinds: readonly PeriodKind[] = ["minute", "hour", "day", "week", "month", "total"];

describe("periods", () => {
  it.each<[PeriodKind, string, string, string, string]>([
    ["minute", "2026-11-24T12:34:56Z", "2026-11-24T12-34", "2026-11-24T12:34:00Z", "2026-11-24T12:35:00Z"],
    ["hour", "2026-11-24T12:34:56Z", "2026-11-24T12", "2026-11-24T12:00:00Z", "2026-11-24T13:00:00Z"],
    ["day", "2026-11-24T23:59:59Z", "2026-11-24", "2026-11-24T00:00:00Z", "2026-11-25T00:00:00Z"],
    ["week", "2026-11-29T23:59:59Z", "2026-11-23", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"],
    ["week", "2026-11-30T00:00:00Z", "2026-11-30", "2026-11-30T00:00:00Z", "2026-12-07T00:00:00Z"],
    ["month", "2026-12-31T23:59:59Z", "2026-12", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"],
    ["month", "2028-02-29T00:00:00Z", "2028-02", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"],
  ])("the %s of %s is %s", (kind, at, id, start, end) => {
    const period = { id, startMs: Date.parse(start), endMs: Date.parse(end) };
    expect(periodAt(kind, Date.parse(at))).toEqual(period);
  });

  it("follow each other without a gap, and every time belongs to just one", () => {
    const times = fc.integer({ min: Date.UTC(2020, 0), max: Date.UTC(2100, 0) });
    fc.assert(
      fc.property(fc.constantFrom(...kinds), times, (kind, atMs) => {
        const period = periodAt(kind, atMs);
        expect(period.startMs).toBeLessThanOrEqual(atMs);
        expect(period.endMs).toBeGreaterThan(atMs);
        if (kind === "total") return;
        const next = periodAt(kind, period.endMs);
        expect(next.startMs).toBe(period.endMs);
        expect(next.id > period.id).toBe(true);
        expect(periodAt(kind, period.endMs - 1)).toEqual(period);
      }),
    );
  });
});
