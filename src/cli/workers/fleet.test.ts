import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { exitCodePoisoned } from "../exit-codes.ts";
import { ConnectionDesk } from "./connection-desk.ts";
import { Fleet } from "./fleet.ts";
import { beginLife } from "./testing/begin-life.ts";

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
    begin: (worker) => ({ life: beginLife(worker, folder), seat: { give: ignore }, onOver: ignore }),
    logger: { info: ignore, warn: ignore, error: ignore },
    onPoisoned: () => {
      poisoned += 1;
    },
  });
  await fleet.start();
  await fleet.end(60_000);
  expect(poisoned).toBe(1);
});
