// Where a watch over several journals is: a place in each of them, as text.
import { shardsMax } from "./merge-answers.ts";

export type ShardCursor = ReadonlyMap<number, bigint>;

/** Before everything in a journal. */
export const beginning = -1n;

const entryForm = /^(\d{1,4}):(-?)([0-9a-z]{1,13})$/;
const lengthMax = 64 * 1024;

export function formatShardCursor(cursor: ShardCursor): string {
  return `w${[...cursor].map(([shard, place]) => `${shard}:${place.toString(36)}`).join(".")}`;
}

/** `undefined`: it is no such cursor. */
export function parseShardCursor(text: string): ShardCursor | undefined {
  if (!text.startsWith("w") || text.length > lengthMax) return undefined;
  const cursor = new Map<number, bigint>();
  for (const entry of text.slice(1).split(".")) {
    const [, shard, sign, digits] = entryForm.exec(entry) ?? [];
    if (shard === undefined || digits === undefined || Number(shard) >= shardsMax) return undefined;
    let place = 0n;
    for (const digit of digits) place = place * 36n + BigInt(Number.parseInt(digit, 36));
    if (place > 0x7fff_ffff_ffff_ffffn) return undefined;
    cursor.set(Number(shard), sign === "-" ? -place : place);
  }
  return cursor;
}
