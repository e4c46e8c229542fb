// One process for a data folder: a file with the id of the process that holds it. A file that a dead process left is
// taken over. The start time of the process is compared too, since ids are given out again, in containers most of all.
import { readFileSync } from "node:fs";
import { link, readFile, rename, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";

export type FolderLock = { release(): Promise<void> };

const attemptsMax = 5;
/** Folders held by this process: its own id in the file would look like a stale one. */
const held = new Set<string>();

/** Throws an `Error` of one line when another process, or this one, holds the folder. */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const path = join(folder, "lock");
  const mine = `${process.pid} ${startOf(process.pid) ?? ""}\n`;
  if (held.has(path)) throw new Error(`the data folder ${folder} is in use by this process`);
  held.add(path);
  try {
    for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
      if (await createWith(path, mine)) return { release: () => release(path) };
      const found = await readFile(path, "utf8").catch(() => "");
      if (isAlive(found))
        throw new Error(`the data folder ${folder} is in use by process ${Number.parseInt(found, 10)}`);
      await removeStale(path, found);
    }
    throw new Error(`the lock of the data folder ${folder} cannot be taken`);
  } catch (error) {
    held.delete(path);
    throw error;
  }
}

async function release(path: string): Promise<void> {
  if (held.delete(path)) await unlink(path);
}

/** Links a finished file to its name, so that nobody ever reads a lock half written. */
async function createWith(path: string, text: string): Promise<boolean> {
  const draft = `${path}.${process.pid}.draft`;
  await writeFile(draft, text);
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  } finally {
    await unlink(draft);
  }
}

/** Moves the file away and looks again at what was moved: another process may have taken over in between. */
async function removeStale(path: string, expected: string): Promise<void> {
  const aside = `${path}.${process.pid}`;
  await rename(path, aside).catch(() => undefined); // Gone already: the next attempt will tell.
  const moved = await readFile(aside, "utf8").catch(() => expected);
  if (moved !== expected) await rename(aside, path);
  else await unlink(aside).catch(() => undefined); // As above.
}

function isAlive(text: string): boolean {
  const [id, start] = text.trim().split(" ");
  const pid = Number(id);
  if (!Number.isInteger(pid) || pid <= 0 || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
  const now = startOf(pid);
  return now !== "ended" && (start === undefined || start === "" || now === undefined || start === now);
}

/**
 * Start of a process in clock ticks since boot, field 22 of /proc/<pid>/stat; `undefined` where there is no /proc. "ended":
 * it was killed, and only its entry waits for a parent to ask for it, which in a container may never happen.
 */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? "ended" : fields[19];
  } catch {
    return undefined; // No /proc on this system, or no such process.
  }
}
