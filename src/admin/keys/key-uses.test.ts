import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openEmbeddedObjectStore } from "../../state/objects/embedded-object-store.ts";
import type { ObjectStore } from "../../state/objects/object-store.ts";
import { KeyUses } from "./key-uses.ts";

const hourMs = 3_600_000;
const noon = Date.parse("2026-11-24T12:00:00Z");

let dataDir: string;
let store: ObjectStore;

beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), "uses-"));
  store = openEmbeddedObjectStore({ dataDir });
});

afterEach(async () => {
  await store.close();
  rmSync(dataDir, { recursive: true });
});

describe("the last use of a key", () => {
  it("is known to the hour, and never goes back", () => {
    const uses = new KeyUses(store);
    expect(uses.lastUseMs("a/b")).toBeUndefined();
    uses.note("a/b", noon + 12_345);
    expect(uses.lastUseMs("a/b")).toBe(noon);
    uses.note("a/b", noon - hourMs);
    expect(uses.lastUseMs("a/b")).toBe(noon);
  });

  it("is written once an hour however often it is used, and read by the next life", async () => {
    const uses = new KeyUses(store);
    for (let index = 0; index < 1_000; index++) uses.note("a/b", noon + index);
    await uses.flush();
    const first = (await store.list("keyuse.", { after: "", limit: 10 }))[0]?.revision;
    uses.note("a/b", noon + 5);
    await uses.flush();
    expect((await store.list("keyuse.", { after: "", limit: 10 })).map(({ revision }) => revision)).toEqual([first]);
    const next = new KeyUses(store);
    await store.watch((change) => next.apply(change));
    expect(next.lastUseMs("a/b")).toBe(noon);
  });

  it("takes the later of what two instances have seen", async () => {
    const [one, two] = [new KeyUses(store), new KeyUses(store)];
    await store.watch((change) => {
      one.apply(change);
      two.apply(change);
    });
    two.note("a", noon + hourMs);
    one.note("a", noon);
    await two.flush();
    await one.flush();
    expect(one.lastUseMs("a")).toBe(noon + hourMs);
    expect(two.lastUseMs("a")).toBe(noon + hourMs);
  });
});
