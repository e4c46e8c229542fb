import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { workerFolder } from "./worker-config.ts";

/** Number of a journal among all of a data folder; 0: that of the folder itself. */
export type JournalFolder = { readonly shard: number; readonly folder: string };

const workerName = /^worker-([1-9]\d{0,2})$/;

/** Journals in the data folder beside those of `count` workers. */
export function findRetired(dataDir: string, count: number): readonly JournalFolder[] {
  const shards = workersIn(dataDir).filter((worker) => worker > count);
  const folders = shards.map((shard) => ({ shard, folder: workerFolder(dataDir, shard) }));
  return [{ shard: 0, folder: dataDir }, ...folders].filter(({ folder }) => existsSync(join(folder, "journal")));
}

/**
 * Folders of the segments of all journals in a data folder: that of one process, and those of workers. Without any, the one
 * of the data folder itself: who opens it says why it cannot be read.
 */
export function journalsIn(dataDir: string): readonly string[] {
  const found = findRetired(dataDir, 0).map(({ folder }) => join(folder, "journal"));
  return found.length === 0 ? [join(dataDir, "journal")] : found;
}

/** Numbers of the workers that have, or had, a folder. */
export function workersIn(dataDir: string): readonly number[] {
  return namesIn(dataDir)
    .map((name) => Number(workerName.exec(name)?.[1] ?? 0))
    .filter((worker) => worker > 0);
}

/** None in a folder that cannot be read: who opens it says why. */
function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
