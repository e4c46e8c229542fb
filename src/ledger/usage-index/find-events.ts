// Where the events of a list or of a watch are: their places, found in the columns. In steps of a block.
import type { Block } from "./block.ts";
import { decodeColumn } from "./column.ts";
import type { IndexFilter, ListQuery, TailQuery } from "./index-query.ts";
import { keyRows } from "./key-rows.ts";
import { tablesOf, toRowFilter } from "./row-filter.ts";
import type { EventSource } from "./sum-events.ts";

export type FoundEvent = { readonly timeMs: number; readonly place: bigint };

/** Newest first, one more than `limit` when there are more. */
export function* findNewest(
  { filter, before, limit }: ListQuery,
  source: EventSource,
): Generator<undefined, readonly FoundEvent[], undefined> {
  const matching = matcher(filter, source);
  const newest = new Newest(limit + 1, before);
  for (const block of [...source.blocks].sort((a, b) => b.lastMs - a.lastMs)) {
    if (!newest.mayTake(block.lastMs)) break;
    if (before !== undefined && block.firstMs > before.timeMs) continue;
    for (const event of matching(block, "backwards")) newest.add(event);
    newest.cut();
    yield;
  }
  return newest.cut();
}

/** In the order of the journal, at most `limit`. */
export function* findNext(
  { filter, after, limit }: TailQuery,
  source: EventSource,
): Generator<undefined, readonly FoundEvent[], undefined> {
  const matching = matcher(filter, source);
  const found: FoundEvent[] = [];
  for (const block of source.blocks) {
    if (block.rows === 0 || block.lastPlace <= after) continue;
    for (const event of matching(block, "forwards")) {
      if (event.place <= after) continue;
      found.push(event);
      if (found.length === limit) return found;
    }
    yield;
  }
  return found;
}

/** The newest events of those that it was given, without holding all of them. */
class Newest {
  readonly #count: number;
  readonly #before: FoundEvent | undefined;
  #found: FoundEvent[] = [];
  #oldestMs = -Infinity;

  constructor(count: number, before: FoundEvent | undefined) {
    this.#count = count;
    this.#before = before;
  }

  /** False: an event of this time is older than all that are wanted. */
  mayTake(timeMs: number): boolean {
    return timeMs >= this.#oldestMs;
  }

  add(event: FoundEvent): void {
    if (!this.mayTake(event.timeMs)) return;
    if (this.#before !== undefined && byNewest(event, this.#before) <= 0) return;
    this.#found.push(event);
    if (this.#found.length > 4 * this.#count) this.cut();
  }

  /** What it keeps, in order. */
  cut(): readonly FoundEvent[] {
    this.#found.sort(byNewest);
    if (this.#found.length >= this.#count) {
      this.#found.length = this.#count;
      this.#oldestMs = this.#found.at(-1)?.timeMs ?? this.#oldestMs;
    }
    return this.#found;
  }
}

function byNewest(left: FoundEvent, right: FoundEvent): number {
  if (left.timeMs !== right.timeMs) return right.timeMs - left.timeMs;
  return left.place === right.place ? 0 : left.place < right.place ? 1 : -1;
}

type Matcher = (block: Block, direction: "forwards" | "backwards") => Iterable<FoundEvent>;

/** Events of a block that a filter takes; not the rows that take a corrected event out of the sums. */
function matcher(filter: IndexFilter, { names, scratch }: EventSource): Matcher {
  const rowFilter = toRowFilter(filter, names);
  const tables = tablesOf(rowFilter, names);
  const { fromMs = -Infinity, toMs = Infinity } = filter;
  return function* (block, direction) {
    if (block.rows === 0 || block.lastMs < fromMs || block.firstMs >= toMs) return;
    const times = { fromMs, toMs, interval: "all", firstBucket: 0, cells: 1 } as const;
    if (!keyRows(block, tables, times, scratch)) return;
    const rows = pickRows(block, scratch.keys);
    const timeMs = valuesOf(block, "time", rows);
    const offsets = valuesOf(block, "place", rows);
    for (let index = 0; index < rows.length; index++) {
      const at = direction === "forwards" ? index : rows.length - 1 - index;
      yield { timeMs: timeMs[at] ?? 0, place: block.firstPlace + BigInt(offsets[at] ?? 0) };
    }
  };

  function pickRows(block: Block, keys: Float64Array): Int32Array {
    const requests = block.column("requests");
    if (requests === undefined) return new Int32Array();
    decodeColumn(requests, scratch.values, block.rows);
    let picked = 0;
    for (let row = 0; row < block.rows; row++) {
      if (keys[row] !== 0 || scratch.values[row] !== 1) continue;
      scratch.picked[picked] = row;
      picked += 1;
    }
    return scratch.picked.slice(0, picked);
  }

  function valuesOf(block: Block, source: "time" | "place", rows: Int32Array): Float64Array {
    const column = block.column(source);
    if (column !== undefined) decodeColumn(column, scratch.values, block.rows);
    return Float64Array.from(rows, (row) => scratch.values[row] ?? 0);
  }
}
