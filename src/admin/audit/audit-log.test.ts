import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AuditLog } from "./audit-log.ts";
import type { AuditEntry } from "./audit-trail.ts";
import { verifyAudit } from "./verify-audit.ts";

let folder: string;
let nowMs = Date.parse("2026-11-24T12:00:00Z");

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "audit-"));
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const admin = { projectId: "search", keyId: "search-admin", service: "" };
const created: AuditEntry = { kind: "key.created", caller: admin, resource: "key/a", reason: "" };
const knocked: AuditEntry = {
  kind: "authentication.denied",
  caller: undefined,
  resource: "",
  reason: "CREDENTIALS_INVALID",
};

function openLog(rest: { fileBytesMax?: number; onFailure?: (error: unknown) => void } = {}) {
  const published: string[] = [];
  const log = new AuditLog({
    folder,
    nowMs: () => nowMs,
    onRecord: (kind) => published.push(kind),
    onFailure: (error) => {
      throw error;
    },
    ...rest,
  });
  return { log, published };
}

function fileNames(): readonly string[] {
  return readdirSync(folder).sort();
}

function recordsOf(): readonly Record<string, unknown>[] {
  return fileNames().flatMap((name) =>
    readFileSync(join(folder, name), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>),
  );
}

describe("the audit log", () => {
  it("has an act on the disk, and published, before the act is answered", async () => {
    const { log, published } = openLog();
    await log.act(created);
    expect(recordsOf()).toMatchObject([
      { sequence: 1, kind: "key.created", caller: { project: "search", key: "search-admin" }, resource: "key/a" },
    ]);
    expect(published).toEqual(["key.created"]);
    await log.close();
  });

  it("goes on in the chain of its last life, also after a crash in the middle of a line", async () => {
    const first = openLog();
    await first.log.act(created);
    await first.log.close();
    appendFileSync(join(folder, fileNames()[0] ?? ""), '{"version":1,"sequ');
    const second = openLog();
    await second.log.act(created);
    await second.log.close();
    expect(await verifyAudit(folder)).toMatchObject({ kind: "whole", records: 2, end: { sequence: 2 } });
  });

  it("begins a new file when one is full, in one chain", async () => {
    const { log } = openLog({ fileBytesMax: 500 });
    for (let index = 0; index < 10; index++) await log.act(created);
    await log.close();
    expect(fileNames().length).toBeGreaterThan(2);
    expect(await verifyAudit(folder)).toMatchObject({ kind: "whole", records: 10 });
  });

  it("tells the first of many equal denials at once, and of the others their number", async () => {
    const { log } = openLog();
    for (let index = 0; index < 100_000; index++) log.denied(knocked);
    await log.close();
    expect(recordsOf()).toMatchObject([
      { kind: "authentication.denied" },
      { kind: "authentication.denied", count: 99_999 },
    ]);
  });

  it("stays small when every denial names another thing", async () => {
    const { log } = openLog();
    for (let index = 0; index < 50_000; index++) {
      log.denied({ kind: "resource.denied", caller: admin, resource: `key/${index}`, reason: "RESOURCE_NOT_FOUND" });
    }
    await log.close();
    const records = recordsOf();
    expect(records.length).toBeLessThan(300);
    expect(records.reduce((sum, { count }) => sum + Number(count ?? 1), 0)).toBe(50_000);
  });

  it("does not let a long name make a long record", async () => {
    const { log } = openLog();
    await log.act({ ...created, resource: `key/${"x".repeat(100_000)}` });
    await log.close();
    expect(readFileSync(join(folder, fileNames()[0] ?? ""), "utf8").length).toBeLessThan(1_000);
  });

  it("answers acts although the folder is gone, and says so", async () => {
    const failures: unknown[] = [];
    const { log } = openLog({ onFailure: (error) => failures.push(error) });
    rmSync(folder, { recursive: true });
    await log.act(created);
    expect(failures).toHaveLength(1);
    await log.close();
  });
});

describe("the verification", () => {
  async function tamper(change: (lines: string[]) => string[]) {
    const { log } = openLog();
    for (let index = 0; index < 5; index++) await log.act({ ...created, resource: `key/${index}` });
    await log.close();
    const path = join(folder, fileNames()[0] ?? "");
    const lines = readFileSync(path, "utf8").trim().split("\n");
    writeFileSync(path, `${change(lines).join("\n")}\n`);
    return verifyAudit(folder);
  }

  it.each([
    ["changed", (lines: string[]) => lines.map((line) => line.replace("key/2", "key/9")), 3],
    ["taken out", (lines: string[]) => lines.filter((_, index) => index !== 2), 3],
    ["put in twice", (lines: string[]) => [...lines.slice(0, 2), lines[1] ?? "", ...lines.slice(2)], 3],
    ["put in another order", ([a = "", b = "", ...rest]: string[]) => [b, a, ...rest], 2],
    ["rubbish", (lines: string[]) => [...lines, "rubbish"], 6],
    ["spelled differently", (lines: string[]) => lines.map((line) => line.replace('{"version"', '{ "version"')), 1],
  ])("finds a record that was %s", async (_, change, line) => {
    expect(await tamper(change)).toMatchObject({ kind: "broken", line });
  });

  it("accepts a log whose oldest files were archived", async () => {
    const { log } = openLog({ fileBytesMax: 500 });
    for (let index = 0; index < 10; index++) await log.act(created);
    await log.close();
    rmSync(join(folder, fileNames()[0] ?? ""));
    const verdict = await verifyAudit(folder);
    expect(verdict.kind === "whole" && verdict.firstSequence).toBeGreaterThan(1);
  });

  it("finds nothing wrong with a log that was never written", async () => {
    expect(await verifyAudit(join(folder, "nothing"))).toMatchObject({ kind: "whole", records: 0 });
  });
});

describe("a day of denials", () => {
  it("is folded minute by minute", async () => {
    const { log } = openLog();
    log.denied(knocked);
    log.denied(knocked);
    nowMs += 120_000;
    log.denied(knocked);
    await log.close();
    expect(recordsOf().reduce((sum, { count }) => sum + Number(count ?? 1), 0)).toBe(3);
  });
});
