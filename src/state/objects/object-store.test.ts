// One suite for both engines: what the port promises holds whoever keeps the objects.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type NatsServer, startNats } from "../../../test/nats-server.ts";
import { createClusteredObjectStore } from "./clustered-object-store.ts";
import { openEmbeddedObjectStore } from "./embedded-object-store.ts";
import { type ObjectChange, type ObjectStore, objectLimits } from "./object-store.ts";
import { RevisionConflict } from "./revision-conflict.ts";

const connectTo = (url: string) => connect({ servers: url, maxReconnectAttempts: -1, reconnectTimeWait: 20 });

let server: NatsServer;

beforeAll(async () => {
  server = await startNats();
});

afterAll(() => server.stop());

type Engine = { readonly open: () => ObjectStore; readonly stop: () => void };

const engines: Readonly<Record<string, () => Engine>> = {
  embedded: () => {
    const dataDir = mkdtempSync(join(tmpdir(), "objects-"));
    return { open: () => openEmbeddedObjectStore({ dataDir }), stop: () => rmSync(dataDir, { recursive: true }) };
  },
  clustered: () => ({
    open: () => createClusteredObjectStore({ connect: () => connectTo(server.url), replicas: 1 }),
    stop: () => {},
  }),
};

/** Objects as a watcher knows them, and a way to wait until they are as they should be. */
function createMirror() {
  const values = new Map<string, string>();
  let look = () => {};
  return {
    values,
    onChange(change: ObjectChange) {
      if (change.kind === "put") values.set(change.object.key, change.object.value);
      else values.delete(change.key);
      look();
    },
    until: (isSo: () => boolean) =>
      new Promise<void>((resolve) => {
        look = () => isSo() && resolve();
        look();
      }),
  };
}

describe.each(Object.keys(engines))("the %s engine", (name) => {
  let engine: Engine;
  let store: ObjectStore;
  const mirror = createMirror();

  beforeAll(async () => {
    const create = engines[name];
    if (create === undefined) throw new Error("no such engine");
    engine = create();
    store = engine.open();
    await store.watch(mirror.onChange);
  });

  afterAll(async () => {
    await store.close();
    engine.stop();
  });

  it("knows nothing of an object that was never put", async () => {
    expect(await store.get("key.nobody")).toBeUndefined();
    expect(await store.delete("key.nobody", "any")).toBe(false);
  });

  it("gives back what was put, with a revision that rises", async () => {
    const first = await store.put("key.a", "one", "absent");
    expect(await store.get("key.a")).toEqual({ key: "key.a", value: "one", revision: first });
    const second = await store.put("key.a", "two", first);
    expect(second).toBeGreaterThan(first);
    expect((await store.get("key.a"))?.value).toBe("two");
  });

  it("refuses a change that is based on an old version, and keeps the new one", async () => {
    const first = await store.put("key.b", "one", "absent");
    await store.put("key.b", "two", first);
    await expect(store.put("key.b", "three", first)).rejects.toBeInstanceOf(RevisionConflict);
    await expect(store.put("key.b", "three", "absent")).rejects.toBeInstanceOf(RevisionConflict);
    await expect(store.delete("key.b", first)).rejects.toBeInstanceOf(RevisionConflict);
    expect((await store.get("key.b"))?.value).toBe("two");
  });

  it("lets one of several writers of one version win", async () => {
    const base = await store.put("key.race", "base", "absent");
    const outcomes = await Promise.allSettled(["x", "y", "z"].map((value) => store.put("key.race", value, base)));
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });

  it("takes an object anew after it was deleted", async () => {
    const revision = await store.put("key.c", "one", "absent");
    expect(await store.delete("key.c", revision)).toBe(true);
    expect(await store.get("key.c")).toBeUndefined();
    await expect(store.put("key.c", "two", revision)).rejects.toBeInstanceOf(RevisionConflict);
    expect(await store.put("key.c", "two", "absent")).toBeGreaterThan(revision);
  });

  it("tells the watcher of puts and deletes", async () => {
    await store.put("watched.a", "one", "absent");
    await mirror.until(() => mirror.values.get("watched.a") === "one");
    await store.put("watched.a", "two", "any");
    await mirror.until(() => mirror.values.get("watched.a") === "two");
    await store.delete("watched.a", "any");
    await mirror.until(() => !mirror.values.has("watched.a"));
  });

  it("lists by prefix, in pages, in the order of the keys", async () => {
    for (const id of ["3", "1", "2"]) await store.put(`page.${id}`, id, "absent");
    await store.put("pagf.1", "other", "absent");
    await mirror.until(() => mirror.values.has("pagf.1"));
    const first = await store.list("page.", { after: "", limit: 2 });
    expect(first.map(({ value }) => value)).toEqual(["1", "2"]);
    const rest = await store.list("page.", { after: first.at(-1)?.key ?? "", limit: 2 });
    expect(rest.map(({ value }) => value)).toEqual(["3"]);
  });

  it("refuses a value beyond the limit", async () => {
    await expect(store.put("key.big", "x".repeat(objectLimits.valueBytesMax + 1), "any")).rejects.toThrow("too large");
  });

  it("tells its next life of everything that is there", async () => {
    await store.put("lasting.a", "kept", "any");
    await store.close();
    store = engine.open();
    const later = createMirror();
    await store.watch(later.onChange);
    expect(later.values.get("lasting.a")).toBe("kept");
    expect(later.values.has("watched.a")).toBe(false);
  });
});

describe("several instances on one NATS", () => {
  it("hear of each other's changes", async () => {
    const [one, two] = [0, 1].map(() => createClusteredObjectStore({ connect: () => connectTo(server.url) }));
    if (one === undefined || two === undefined) throw new Error("no stores");
    const mirror = createMirror();
    await two.watch(mirror.onChange);
    await one.put("shared.a", "from one", "any");
    await mirror.until(() => mirror.values.get("shared.a") === "from one");
    await one.delete("shared.a", "any");
    await mirror.until(() => !mirror.values.has("shared.a"));
    await Promise.all([one.close(), two.close()]);
  });

  it("find out after an outage what was changed and deleted meanwhile", async () => {
    const own = await startNats();
    const watcher = createClusteredObjectStore({ connect: () => connectTo(own.url) });
    const mirror = createMirror();
    try {
      await watcher.watch(mirror.onChange);
      await watcher.put("outage.kept", "one", "any");
      await watcher.put("outage.deleted", "one", "any");
      await mirror.until(() => mirror.values.size === 2);
      await own.kill();
      expect(mirror.values.size).toBe(2);
      await own.restart();
      const other = createClusteredObjectStore({ connect: () => connectTo(own.url) });
      await other.put("outage.kept", "two", "any");
      await other.delete("outage.deleted", "any");
      await mirror.until(() => mirror.values.get("outage.kept") === "two" && !mirror.values.has("outage.deleted"));
      await other.close();
    } finally {
      await watcher.close();
      await own.stop();
    }
  });
});

describe("the embedded engine", () => {
  it("refuses a folder that another gateway uses", () => {
    const dataDir = mkdtempSync(join(tmpdir(), "objects-"));
    const store = openEmbeddedObjectStore({ dataDir });
    expect(() => openEmbeddedObjectStore({ dataDir })).toThrow("another gateway");
    void store.close();
    rmSync(dataDir, { recursive: true });
  });
});
