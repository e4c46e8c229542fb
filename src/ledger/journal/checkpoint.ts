// How far a folder is settled: no call that began before that place is open, and nothing before it waits for delivery. A
// start then reads what lies behind it, instead of everything. Only a hint: it is used when the segments are those that it
// was written for, and go at least as far; without it, or in doubt, everything is read. So it needs no sync, and may be lost
// or torn at any instant.
import { join } from "node:path";
import { crc32 } from "node:zlib";
import type { JournalFiles } from "./journal-files.ts";
import type { Place } from "./record.ts";
import type { Segment } from "./segment.ts";

export type Checkpoint = {
  readonly settled: Place;
  /** Whether delivery was kept track of; without, nothing counts as waiting for it. */
  readonly delivery: "outbox" | "keep";
  /** All segments when it was written, oldest first: what it says is true of a folder that holds them as far as here. */
  readonly segments: readonly Pick<Segment, "ordinal" | "bootId" | "bytes">[];
};

const fileName = "checkpoint";
const version = 1;
/** Of some ten thousand segments. */
const fileBytesMax = 1 << 20;

/** Takes the place of the one before, whole or not at all. */
export async function writeCheckpoint(files: JournalFiles, folder: string, checkpoint: Checkpoint): Promise<void> {
  const { settled, delivery } = checkpoint;
  const segments = checkpoint.segments.map(({ ordinal, bootId, bytes }) => ({ ordinal, bootId, bytes }));
  const text = JSON.stringify({ version, settled, delivery, segments });
  await files.replace(join(folder, fileName), Buffer.from(`${text}\n${crc32(text)}\n`));
}

/** `undefined`: there is none, or none that can be read. */
export async function readCheckpoint(files: JournalFiles, folder: string): Promise<Checkpoint | undefined> {
  try {
    const bytes = await files.readWhole(join(folder, fileName), fileBytesMax);
    const [text = "", sum] = bytes?.toString("utf8").split("\n") ?? [];
    if (sum !== String(crc32(text))) return undefined;
    // The sum says that it is ours, so that its version says what stands in it.
    const parsed: Checkpoint & { readonly version: number } = JSON.parse(text);
    return parsed.version === version ? parsed : undefined;
  } catch {
    return undefined; // Whatever is wrong with a hint: the segments are read instead.
  }
}

/** Whether the folder holds what the checkpoint was written for, but for oldest segments that were deleted since. */
export function isOf(checkpoint: Checkpoint, segments: readonly Segment[]): boolean {
  const newest = checkpoint.segments.at(-1)?.ordinal ?? 0;
  const held = segments.filter(({ ordinal }) => ordinal <= newest);
  const expected = checkpoint.segments.slice(checkpoint.segments.length - held.length);
  return (
    held.length <= checkpoint.segments.length &&
    held.every(({ ordinal, bootId, bytes }, index) => {
      const known = expected[index];
      return known?.ordinal === ordinal && known.bootId === bootId && bytes >= known.bytes;
    })
  );
}
