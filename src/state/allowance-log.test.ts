// What a life leaves behind for the next one: all of it, or nothing that could be believed wrongly.
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type AllowanceLog, openAllowanceLog } from "./allowance-log.ts";

let dataDir: string;
let lives = 0;

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), "allowances-"));
});

afterEach(() => rmSync(dataDir, { recursive: true }));

const nowMs = Date.parse("2026-11-25T12:00:00Z");

function open(machineBootId: string | undefined = "boot"): AllowanceLog {
  lives += 1;
  return openAllowanceLog({ dataDir, holder: `life-${lives}`, nowMs: () => nowMs, machineBootId });
}

const accountOf = (key: string, endsAtMs = Number.POSITIVE_INFINITY) => ({ key, endsAtMs, isShort: false });
const files = () => readdirSync(join(dataDir, "leases")).map((name) => join(dataDir, "leases", name));
const allowance = { account: accountOf("a"), leaseId: "l", total: 5n };

describe("what a killed life has left", () => {
  it("is the last that it was allowed of each account, and is there until it is settled", () => {
    const log = open();
    log.allow({ account: accountOf("a"), leaseId: "l1", total: 5n });
    log.allow({ account: accountOf("b", nowMs + 1), leaseId: "l2", total: 1n << 61n });
    log.allow({ account: accountOf("a"), leaseId: "l3", total: 7n });
    for (let look = 0; look < 2; look++) {
      const [life] = open().earlier;
      expect(life?.allowances).toEqual([
        { account: accountOf("a"), leaseId: "l3", total: 7n },
        { account: accountOf("b", nowMs + 1), leaseId: "l2", total: 1n << 61n },
      ]);
    }
    open().earlier[0]?.forget();
    expect(open().earlier).toEqual([]);
  });

  it("is not believed after the machine went down, or where that cannot be known", () => {
    open().allow(allowance);
    expect(open("another boot").earlier).toEqual([]);
    expect(files()).toEqual([]);
    open(undefined).allow(allowance);
    expect(openAllowanceLog({ dataDir, holder: "x", nowMs: () => nowMs, machineBootId: undefined }).earlier).toEqual(
      [],
    );
  });

  it("is what was on record before, when the process ended in the middle of a line", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_000 }), (cut) => {
        const log = open();
        log.allow({ account: accountOf("a"), leaseId: "l", total: 5n });
        const [path = ""] = files();
        const whole = statSync(path).size;
        log.allow({ account: accountOf("a"), leaseId: "l", total: 60n });
        const last = statSync(path).size - whole;
        truncateSync(path, whole + (cut % last));
        const [life] = open().earlier;
        expect(life?.allowances).toEqual([{ account: accountOf("a"), leaseId: "l", total: 5n }]);
        life?.forget();
      }),
      { numRuns: 50 },
    );
  });

  it("is nothing when a line makes no sense", () => {
    open().allow(allowance);
    const [path = ""] = files();
    appendFileSync(path, '["a","l","-1",null,false]\n');
    expect(open().earlier).toEqual([]);
  });
});

describe("the file", () => {
  it("does not grow with the number of times that something was allowed, and loses nothing by that", () => {
    const log = open();
    log.allow({ account: accountOf("rare"), leaseId: "l", total: 3n });
    log.allow({ account: accountOf("ended", nowMs - 86_400_000), leaseId: "l", total: 3n });
    for (let total = 0n; total < 60_000n; total++) log.allow({ account: accountOf("busy"), leaseId: "l", total });
    const [path = ""] = files();
    expect(statSync(path).size).toBeLessThan(1 << 20);
    expect(readFileSync(path, "utf8")).not.toContain("ended");
    const byKey = new Map(open().earlier[0]?.allowances.map(({ account, total }) => [account.key, total]));
    expect(byKey).toEqual(
      new Map([
        ["rare", 3n],
        ["busy", 59_999n],
      ]),
    );
  });

  it("is left out altogether when the disk refuses it", () => {
    const log = openAllowanceLog({ dataDir, holder: "a/b", nowMs: () => nowMs, machineBootId: "boot" });
    expect(() => log.allow(allowance)).not.toThrow();
    expect(files()).toEqual([]);
  });
});
