import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { lockFolder } from "./folder-lock.ts";

describe("the lock of a data folder", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "lock-"));
  });
  afterEach(async () => {
    await rm(folder, { recursive: true });
  });

  it("is given to one holder at a time", async () => {
    const lock = await lockFolder(folder);
    await expect(lockFolder(folder)).rejects.toThrow("in use by this process");
    await lock.release();
    expect(await readdir(folder)).toEqual([]);
    await (await lockFolder(folder)).release();
  });

  it("is refused while another process holds it, and taken over when that one has died", async () => {
    const other = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
    await once(other, "spawn");
    await writeFile(join(folder, "lock"), `${other.pid}\n`);
    await expect(lockFolder(folder)).rejects.toThrow(`in use by process ${other.pid}`);
    const exited = once(other, "exit");
    other.kill("SIGKILL");
    await exited;
    await (await lockFolder(folder)).release();
  });

  it.each(["", "rubbish", `${process.pid} 1\n`, `${process.ppid} 1\n`])(
    "is taken over from a stale file %j",
    async (text) => {
      await writeFile(join(folder, "lock"), text);
      await (await lockFolder(folder)).release();
    },
  );
});
