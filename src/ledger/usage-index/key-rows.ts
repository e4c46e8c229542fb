// Gives each row of a block its key: the sum of what its names and its time add. A row that is not asked for gets NaN, which
// stays NaN whatever is added. Loops are written out, over doubles: 2 to 4 ns a row and column (bench/usage-index.ts).
import type { Block } from "./block.ts";
import { decodeColumn } from "./column.ts";
import type { Interval } from "./index-query.ts";
import type { NameTables } from "./row-filter.ts";
import type { ScanScratch } from "./scan-scratch.ts";
import { bucketOf, startOf } from "./time-buckets.ts";

/** From inclusive, to exclusive, Unix milliseconds; buckets are counted from the first, and each has `cells` keys. */
export type TimeKeys = {
  readonly fromMs: number;
  readonly toMs: number;
  readonly interval: Interval;
  readonly firstBucket: number;
  readonly cells: number;
};

/** Writes `scratch.keys`; false: no row is asked for, and nothing was written. */
export function keyRows(block: Block, tables: NameTables, times: TimeKeys, scratch: ScanScratch): boolean {
  const wide = [];
  let common = 0;
  for (const [source, table] of tables) {
    const column = block.column(source);
    if (column !== undefined && column.width > 0) wide.push({ column, table });
    else common += table[column?.base ?? 0] ?? NaN;
  }
  if (Number.isNaN(common)) return false;
  scratch.keys.fill(common, 0, block.rows);
  for (const { column, table } of wide) {
    decodeColumn(column, scratch.values, block.rows);
    addNames(block.rows, table, scratch);
  }
  keyTimes(block, times, scratch);
  return true;
}

function keyTimes(block: Block, times: TimeKeys, scratch: ScanScratch): void {
  const { fromMs, toMs, interval, firstBucket, cells } = times;
  const bucket = bucketOf(interval, block.firstMs);
  const isWhole = block.firstMs >= fromMs && block.lastMs < toMs;
  const isOneBucket = bucket === bucketOf(interval, block.lastMs);
  if (isWhole && isOneBucket) {
    if (bucket !== firstBucket) addToAll(block.rows, (bucket - firstBucket) * cells, scratch);
    return;
  }
  const column = block.column("time");
  if (column === undefined) throw new Error("a block of the usage index has no times");
  decodeColumn(column, scratch.values, block.rows);
  addTimes(block.rows, times, scratch);
}

function addNames(rows: number, table: Float64Array, { keys, values }: ScanScratch): void {
  for (let row = 0; row < rows; row++) keys[row] = (keys[row] ?? NaN) + (table[values[row] ?? 0] ?? NaN);
}

function addToAll(rows: number, key: number, { keys }: ScanScratch): void {
  for (let row = 0; row < rows; row++) keys[row] = (keys[row] ?? NaN) + key;
}

function addTimes(rows: number, times: TimeKeys, { keys, values }: ScanScratch): void {
  const { fromMs, toMs, interval, firstBucket, cells } = times;
  let key = 0;
  // Of the bucket that `key` is of: events lie nearly in the order of time, so that it seldom changes.
  let [beginMs, endMs] = [0, 0];
  for (let row = 0; row < rows; row++) {
    const timeMs = values[row] ?? NaN;
    if (!(timeMs >= fromMs && timeMs < toMs)) {
      keys[row] = NaN;
      continue;
    }
    if (timeMs < beginMs || timeMs >= endMs) {
      const bucket = bucketOf(interval, timeMs);
      [beginMs, endMs] = [startOf(interval, bucket), startOf(interval, bucket + 1)];
      key = (bucket - firstBucket) * cells;
    }
    keys[row] = (keys[row] ?? NaN) + key;
  }
}
