import { expect, it } from "vitest";
import { SparseLog } from "./sparse-log.ts";

it("says the same thing once a minute, another reason sooner, and reasons that take turns every five seconds", () => {
  let nowMs = 0;
  const said: string[] = [];
  const log = new SparseLog({
    log: { warn: (message, facts) => said.push(`${message}: ${facts["because"]}`), info: () => undefined },
    nowMs: () => nowMs,
  });
  const warnAt = (atMs: number, because: string): number => {
    nowMs = atMs;
    log.warn("away", because);
    return said.length;
  };
  expect([warnAt(0, "refused"), warnAt(30_000, "refused"), warnAt(30_001, "no route")]).toEqual([1, 1, 2]);
  expect([warnAt(30_002, "refused"), warnAt(35_002, "refused"), warnAt(95_001, "refused")]).toEqual([2, 3, 3]);
  expect(warnAt(95_002, "refused")).toBe(4);
  log.warn("full", "refused");
  expect(said.at(-1)).toBe("full: refused");
});
