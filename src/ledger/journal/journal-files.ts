// The few file operations that the journal needs, as an interface: tests put faults behind it.
import {
  close as closeFile,
  constants,
  fdatasync,
  ftruncate,
  open as openDescriptor,
  write as writeFile,
} from "node:fs";
import { open, readdir, readFile, rename, stat, unlink, writeFile as writeWhole } from "node:fs/promises";
import { dirname } from "node:path";
import { promisify } from "node:util";

/** `fsync`: a finished write survives the loss of power. `os`: it survives the end of the process. */
export type Durability = "fsync" | "os";

export interface SegmentFile {
  /** Writes `length` bytes of `buffer` from `offset` to `position`; may write fewer. Durable when `done` hears no error. */
  write(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    done: (error: NodeJS.ErrnoException | null, written: number) => void,
  ): void;
  /** Cuts the file and makes that durable. */
  truncate(length: number): Promise<void>;
  close(): Promise<void>;
}

export interface ReadableFile {
  /** Fills as much of `buffer` as the file has from `position`; 0 at the end. */
  read(buffer: Buffer, offset: number, position: number): Promise<number>;
  close(): Promise<void>;
}

export interface JournalFiles {
  /** Names of the files in a folder. */
  list(folder: string): Promise<readonly string[]>;
  /** Makes a new file, and its entry in the folder durable; fails when it exists. */
  create(path: string, durability: Durability): Promise<SegmentFile>;
  openToRead(path: string): Promise<ReadableFile>;
  /** Size in bytes and Unix milliseconds of the last write. */
  stat(path: string): Promise<{ readonly bytes: number; readonly lastWriteMs: number }>;
  remove(path: string): Promise<void>;
  /** Writes a small file anew: whoever reads it finds the old or the new one, after a loss of power perhaps neither. */
  replace(path: string, bytes: Buffer): Promise<void>;
  /** `undefined`: there is no such file, or it has more than `bytesMax`. */
  readWhole(path: string, bytesMax: number): Promise<Buffer | undefined>;
}

const descriptorOf = promisify(openDescriptor);
const syncData = promisify(fdatasync);
const cut = promisify(ftruncate);
const closeDescriptor = promisify(closeFile);

export const journalFiles: JournalFiles = {
  list: (folder) => readdir(folder),
  create: async (path, durability) => {
    // O_DSYNC makes each write durable by itself: one system call for a group instead of write and fdatasync.
    const dsync = durability === "fsync" ? constants.O_DSYNC : 0;
    const descriptor = await descriptorOf(
      path,
      constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | dsync,
      0o640,
    );
    if (durability === "fsync") await syncFolderOf(path);
    return {
      // The callback form: half the CPU of a FileHandle's promise, on the path of every group.
      write: (buffer, offset, length, position, done) => writeFile(descriptor, buffer, offset, length, position, done),
      truncate: async (length) => {
        await cut(descriptor, length);
        if (durability === "fsync") await syncData(descriptor);
      },
      close: () => closeDescriptor(descriptor),
    };
  },
  openToRead: async (path) => {
    const handle = await open(path, "r");
    return {
      read: async (buffer, offset, position) =>
        (await handle.read(buffer, offset, buffer.length - offset, position)).bytesRead,
      close: () => handle.close(),
    };
  },
  stat: async (path) => {
    const { size, mtimeMs } = await stat(path);
    return { bytes: size, lastWriteMs: Math.floor(mtimeMs) };
  },
  remove: (path) => unlink(path),
  replace: async (path, bytes) => {
    await writeWhole(`${path}.new`, bytes, { mode: 0o640 });
    await rename(`${path}.new`, path);
  },
  readWhole: async (path, bytesMax) => {
    try {
      return (await stat(path)).size > bytesMax ? undefined : await readFile(path);
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
      throw error;
    }
  },
};

/** A new file survives the loss of power only when its folder was synced too. */
async function syncFolderOf(path: string): Promise<void> {
  const folder = await open(dirname(path), "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
