import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
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

  it("is taken over from a process that was killed and whose parent never asked for it", async () => {
    // The shell becomes a `sleep` that does not know of the child it has.
    const parent = spawn("sh", ["-c", "sleep 1000 & echo $!; exec sleep 1000"], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    const [line] = (await once(parent.stdout, "data")) as [Buffer];
    const child = Number(line.toString());
    const stat = await readFile(`/proc/${child}/stat`, "utf8");
    await writeFile(join(folder, "lock"), `${child} ${stat.split(" ")[21]}\n`);
    await expect(lockFolder(folder)).rejects.toThrow(`in use by process ${child}`);
    process.kill(child, "SIGKILL");
    await expect.poll(() => readFile(`/proc/${child}/stat`, "utf8")).toContain(") Z ");
    await (await lockFolder(folder)).release();
    parent.kill("SIGKILL");
  });

  it.each(["", "rubbish", `${process.pid} 1\n`, `${process.ppid} 1\n`])(
    "is taken over from a stale file %j",
    async (text) => {
      await writeFile(join(folder, "lock"), text);
      await (await lockFolder(folder)).release();
    },
  );
});
