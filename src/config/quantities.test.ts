import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseDuration } from "./duration.ts";
import { parseInstant } from "./instant.ts";
import { parseSize } from "./size.ts";

describe("durations", () => {
  it("reads a number with its unit as milliseconds, and nothing else", () => {
    const written = ["250ms", "30s", "1.5h", "10m", "7d", "0s", "30", "30 s", "-1s", "1e3s", "s", ""];
    expect(written.map(parseDuration)).toEqual([
      250,
      30_000,
      5_400_000,
      600_000,
      604_800_000,
      0,
      ...Array(6).fill(undefined),
    ]);
  });
});

describe("sizes", () => {
  it("reads powers of 1024 and of 1000 apart", () => {
    expect(["10GiB", "10GB", "1.5KiB", "7B", "10", "10gb", "GiB"].map(parseSize)).toEqual([
      10 * 1024 ** 3,
      10e9,
      1536,
      7,
      undefined,
      undefined,
      undefined,
    ]);
  });
});

describe("points in time", () => {
  it("reads a date as its first instant in UTC, a date and time with its zone", () => {
    expect(parseInstant("2027-06-30")).toBe(Date.UTC(2027, 5, 30));
    expect(parseInstant("2027-06-30T12:00:00+02:00")).toBe(Date.UTC(2027, 5, 30, 10));
    expect(parseInstant("2028-02-29")).toBe(Date.UTC(2028, 1, 29));
  });

  it("refuses days that do not exist and times without a zone", () => {
    const written = ["2027-02-29", "2027-13-01", "2027-04-31", "2027-06-30T12:00:00", "2027-06-30T25:00:00Z", "soon"];
    expect(written.map(parseInstant)).toEqual(Array(6).fill(undefined));
  });

  it("reads every day that there is", () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date("1970-01-01"), max: new Date("9999-12-31"), noInvalidDate: true }),
        (date) => {
          const day = date.toISOString().slice(0, 10);
          expect(parseInstant(day)).toBe(Date.parse(`${day}T00:00:00Z`));
        },
      ),
    );
  });
});
