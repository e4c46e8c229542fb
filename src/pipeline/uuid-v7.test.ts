import { randomFillSync } from "node:crypto";
import { expect, it } from "vitest";
import { createUuidV7Source } from "./uuid-v7.ts";

it("makes ids that sort by time, are version 7, and never repeat", () => {
  const newId = createUuidV7Source(randomFillSync);
  const ids = Array.from({ length: 2_000 }, (_, index) => newId(1_700_000_000_000 + Math.floor(index / 10)));
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(new Set(ids).size).toBe(ids.length);
  const times = ids.map((id) => id.slice(0, 13));
  expect(times).toEqual([...times].sort());
});
