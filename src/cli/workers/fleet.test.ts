import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { demoConfig } from "../../config/demo-config.ts";
import { exitCodePoisoned } from "../exit-codes.ts";
import { knownNames } from "../known-names.ts";
import { ConnectionDesk } from "./connection-desk.ts";
import { Fleet } from "./fleet.ts";
import { WorkerLife } from "./worker-life.ts";

const { execPath } = process;
const folder = mkdtempSync(join(tmpdir(), "fleet-"));

afterEach(() => {
  process.execPath = execPath;
  rmSync(folder, { recursive: true, force: true });
});

/** From now on a worker is a process that serves at once, and does what `script` says. */
function replaceWorker(script: string): void {
  const path = join(folder, "worker");
  writeFileSync(path, `#!/bin/sh\nexec '${execPath}' -e '${script}'\n`);
  chmodSync(path, 0o755);
  process.execPath = path;
}

function beginLife(worker: number): WorkerLife {
  const none = (): never => expect.fail("nobody asks");
  const config = demoConfig({
    simulatorUrl: "http://127.0.0.1:1",
    dataDir: folder,
    keySecret: "llmg_demo",
    environment: {},
    known: knownNames,
  });
  return new WorkerLife({
    start: { worker, instance: "test", address: "127.0.0.1", port: 1, config },
    answer: {
      exchange: none,
      used: none,
      slots: none,
      objectGet: none,
      objectList: none,
      objectPut: none,
      objectDelete: none,
      objectWatch: none,
      usageShards: none,
      usage: none,
      metrics: none,
    },
    hear: { closed: none, slotsReturned: none },
    onLines: none,
  });
}

it("says that a disk has failed, also when it does while all end", async () => {
  replaceWorker(
    `process.on("message", ({ name }) => name === "drain" && process.exit(${exitCodePoisoned})); process.send({ kind: "news", name: "ready" })`,
  );
  let poisoned = 0;
  const source = { open: async () => ({ address: "127.0.0.1", port: 1 }), close: () => undefined };
  const ignore = (): void => undefined;
  const fleet = new Fleet({
    count: 1,
    desk: new ConnectionDesk({ source, connectionsMax: 1 }),
    begin: (worker) => ({ life: beginLife(worker), seat: { give: ignore }, onOver: ignore }),
    logger: { info: ignore, warn: ignore, error: ignore },
    onPoisoned: () => {
      poisoned += 1;
    },
  });
  await fleet.start();
  await fleet.end(60_000);
  expect(poisoned).toBe(1);
});
