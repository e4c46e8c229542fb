// The newest block, which still grows: in memory only, since the bytes of its events are enough to make it again.
import { type Block, rowsOfEventMax } from "./block.ts";
import { plainColumn } from "./column.ts";
import { mapMetrics, metrics, type Sums } from "./index-query.ts";
import {
  fixedSources,
  type LabelSource,
  labelSource,
  type NameSource,
  nameSources,
  type Source,
} from "./index-source.ts";

/** What a row holds, names by their numbers. */
export type BlockRow = {
  readonly timeMs: number;
  readonly place: bigint;
  readonly names: Readonly<Record<NameSource, number>>;
  readonly labels: readonly (readonly [key: string, valueId: number])[];
  readonly metrics: Sums;
};

/** Label keys after which the next block begins: a new key with every event makes blocks small, and nothing is dropped. */
const labelsUsual = 64;
/** Largest amount of a row; a larger one is put down in several rows. Doubles are exact to twice this. */
const amountMax = 1n << 52n;

export class OpenBlock {
  readonly #rowsUsual: number;
  readonly #columns: Map<Source, Float64Array>;
  #rows = 0;
  #labels = 0;
  #firstMs = Infinity;
  #lastMs = -Infinity;
  #firstPlace = 0n;
  #lastPlace = 0n;

  /** It is full when it has so many rows, at most `blockRowsUsual`. */
  constructor(rowsUsual: number) {
    this.#rowsUsual = rowsUsual;
    this.#columns = new Map(fixedSources.map((source) => [source, this.#newColumn()]));
  }

  /** Asked between two events: their rows stay together. */
  hasRoomFor(place: bigint): boolean {
    const isNear = this.#rows === 0 || place - this.#firstPlace < amountMax;
    return this.#rows < this.#rowsUsual && this.#labels <= labelsUsual && isNear;
  }

  append(row: BlockRow): void {
    let left = row.metrics;
    while (metrics.some((name) => !isWithin(left[name]))) {
      const whole = left;
      const part = mapMetrics((name) => (isWithin(whole[name]) ? 0n : whole[name] < 0n ? -amountMax : amountMax));
      this.#append(row, part);
      left = mapMetrics((name) => whole[name] - part[name]);
    }
    this.#append(row, left);
  }

  /** What it holds now; what is appended later is not seen. */
  snapshot(): Block {
    const [rows, columns] = [this.#rows, this.#columns];
    return {
      rows,
      firstMs: this.#firstMs,
      lastMs: this.#lastMs,
      firstPlace: this.#firstPlace,
      lastPlace: this.#lastPlace,
      column: (source) => {
        const values = columns.get(source);
        return values === undefined ? undefined : plainColumn(values.subarray(0, rows));
      },
    };
  }

  *columns(): Iterable<readonly [Source, Float64Array]> {
    for (const [source, values] of this.#columns) yield [source, values.subarray(0, this.#rows)];
  }

  #append({ timeMs, place, names, labels }: BlockRow, amounts: Sums): void {
    if (this.#rows >= this.#rowsUsual + rowsOfEventMax) throw new Error("a block of the usage index is full");
    if (this.#rows === 0) this.#firstPlace = place;
    this.#lastPlace = place;
    this.#firstMs = Math.min(this.#firstMs, timeMs);
    this.#lastMs = Math.max(this.#lastMs, timeMs);
    this.#put("time", timeMs);
    this.#put("place", Number(place - this.#firstPlace));
    for (const source of nameSources) this.#put(source, names[source]);
    for (const [key, valueId] of labels) this.#putLabel(labelSource(key), valueId);
    for (const name of metrics) this.#put(name, Number(amounts[name]));
    this.#rows += 1;
  }

  #put(source: Source, value: number): void {
    const column = this.#columns.get(source);
    if (column !== undefined) column[this.#rows] = value;
  }

  #putLabel(source: LabelSource, valueId: number): void {
    if (!this.#columns.has(source)) {
      this.#columns.set(source, this.#newColumn());
      this.#labels += 1;
    }
    this.#put(source, valueId);
  }

  #newColumn(): Float64Array {
    return new Float64Array(this.#rowsUsual + rowsOfEventMax);
  }
}

function isWithin(amount: bigint): boolean {
  return -amountMax <= amount && amount <= amountMax;
}
