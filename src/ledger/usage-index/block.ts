// A piece of the index: events in the order of the journal, as columns.
import type { Column } from "./column.ts";
import type { Source } from "./index-source.ts";

/** Events of a block, after which the next one begins. */
export const blockRowsUsual = 32_768;
/** A block is full between two events; an event and the one that it corrects may take this many rows. */
export const rowsOfEventMax = 4_100;
export const blockRowsMax = blockRowsUsual + rowsOfEventMax;

export type Block = {
  readonly rows: number;
  /** Times of the oldest and the newest event. */
  readonly firstMs: number;
  readonly lastMs: number;
  /** Places of the first and the last row; column "place" counts from the first. */
  readonly firstPlace: bigint;
  readonly lastPlace: bigint;
  /** `undefined`: no event has it. */
  column(source: Source): Column | undefined;
};
