// Arrays in which the rows of one block are worked on, made once. A question holds nothing in them between two blocks, so that
// those that are answered in turn share them.
import { blockRowsMax } from "./block.ts";

export type ScanScratch = {
  /** Keys of the groups of rows; NaN: the row is not asked for. */
  readonly keys: Float64Array;
  /** The column that is being worked on. */
  readonly values: Float64Array;
  /** Rows that are taken, and the groups of each. */
  readonly picked: Int32Array;
  readonly groups: Int32Array;
};

export function createScanScratch(): ScanScratch {
  return {
    keys: new Float64Array(blockRowsMax),
    values: new Float64Array(blockRowsMax),
    picked: new Int32Array(blockRowsMax),
    groups: new Int32Array(blockRowsMax),
  };
}
