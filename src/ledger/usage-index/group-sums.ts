// The sums of a page while they are made: those of the first groups in order, of as many as the page has. A group that lies
// behind them is dropped for good once there are enough, so that neither memory nor time is spent on what is not on the page.
// Loops over rows are written out, over doubles only: ten million events are some ten passes of ten million steps, and this
// form takes 1 to 4 ns a step (bench/usage-index.ts).

import type { Column } from "./column.ts";
import { decodeColumn } from "./column.ts";
import { type Metric, mapMetrics, metrics, type Sums } from "./index-query.ts";
import type { ScanScratch } from "./scan-scratch.ts";

export type GroupSum = { readonly key: number; readonly sums: Sums };

/** Doubles are exact up to here. */
const exactMax = 2 ** 53;
const groupsFirst = 1_024;

export class GroupSums {
  readonly #groupsMax: number;
  readonly #keyMin: number;
  #keyMax = Infinity;
  #isCut = false;
  #count = 0;
  #keys = new Float64Array(groupsFirst);
  #cells = new Int32Array(groupsFirst * 4);
  readonly #amounts: Amounts[] = metrics.map(() => new Amounts(groupsFirst));

  /** Takes groups from `keyMin` on, the first `groupsMax` of them. */
  constructor(groupsMax: number, keyMin: number) {
    this.#groupsMax = groupsMax;
    this.#keyMin = keyMin;
  }

  /** The largest key that can be on the page; later ones need not be looked for. */
  get keyMax(): number {
    return this.#keyMax;
  }

  /** Groups behind `keyMax` were dropped. */
  get isCut(): boolean {
    return this.#isCut;
  }

  /** Adds rows with these keys; NaN: the row is not asked for. */
  add(rows: number, scratch: ScanScratch, column: (metric: Metric) => Column | undefined): void {
    const taken = this.#take(rows, scratch);
    if (taken === 0) return;
    for (const [index, name] of metrics.entries()) {
      const amounts = this.#amounts[index];
      const values = column(name);
      if (amounts === undefined || values === undefined || values.peak === 0) continue;
      decodeColumn(values, scratch.values, rows);
      amounts.add(taken, values.peak, scratch);
    }
    if (this.#count > 2 * this.#groupsMax) this.#cut();
  }

  /** In the order of keys; groups of which nothing is left are none. */
  *finish(): Iterable<GroupSum> {
    if (this.#count > this.#groupsMax) this.#cut();
    const groups = [...this.#keys.subarray(0, this.#count).entries()].sort(([, a], [, b]) => a - b);
    for (const [group, key] of groups) {
      let metric = 0;
      const sums = mapMetrics(() => this.#amounts[metric++]?.total(group) ?? 0n);
      if (sums.requests > 0n) yield { key, sums };
    }
  }

  /** Finds the group of each row. How many rows are taken; which, and their groups, stand in `scratch`. */
  #take(rows: number, { keys, picked, groups }: ScanScratch): number {
    let taken = 0;
    let lastKey = NaN;
    let lastGroup = 0;
    for (let row = 0; row < rows; row++) {
      const key = keys[row] ?? NaN;
      if (!(key >= this.#keyMin && key <= this.#keyMax)) continue;
      if (key !== lastKey) {
        lastGroup = this.#groupOf(key);
        lastKey = key;
      }
      picked[taken] = row;
      groups[taken] = lastGroup;
      taken += 1;
    }
    return taken;
  }

  #groupOf(key: number): number {
    const mask = this.#cells.length - 1;
    for (let cell = hashOf(key) & mask; ; cell = (cell + 1) & mask) {
      const group = (this.#cells[cell] ?? 0) - 1;
      if (group < 0) return this.#newGroup(key, cell);
      if (this.#keys[group] === key) return group;
    }
  }

  #newGroup(key: number, cell: number): number {
    const group = this.#count;
    const isFull = group === this.#keys.length;
    if (isFull) this.#grow();
    this.#keys[group] = key;
    this.#count += 1;
    if (isFull) this.#fillCells();
    else this.#cells[cell] = group + 1;
    return group;
  }

  #grow(): void {
    const keys = new Float64Array(this.#keys.length * 2);
    keys.set(this.#keys);
    this.#keys = keys;
    for (const amounts of this.#amounts) amounts.grow(keys.length);
  }

  /** Keeps the first groups. */
  #cut(): void {
    const inOrder = this.#keys.slice(0, this.#count).sort();
    this.#keyMax = inOrder[this.#groupsMax - 1] ?? Infinity;
    this.#isCut = true;
    let kept = 0;
    for (let group = 0; group < this.#count; group++) {
      const key = this.#keys[group] ?? NaN;
      if (key > this.#keyMax) continue;
      this.#keys[kept] = key;
      for (const amounts of this.#amounts) amounts.move(group, kept);
      kept += 1;
    }
    for (const amounts of this.#amounts) amounts.clear(kept, this.#count);
    this.#count = kept;
    this.#fillCells();
  }

  #fillCells(): void {
    const size = this.#keys.length * 4;
    if (this.#cells.length === size) this.#cells.fill(0);
    else this.#cells = new Int32Array(size);
    const mask = size - 1;
    for (let group = 0; group < this.#count; group++) {
      let cell = hashOf(this.#keys[group] ?? 0) & mask;
      while (this.#cells[cell] !== 0) cell = (cell + 1) & mask;
      this.#cells[cell] = group + 1;
    }
  }
}

/** The sums of one metric, by group. What doubles could not hold exactly is carried over into whole numbers. */
class Amounts {
  #sums: Float64Array;
  #carried: bigint[] | undefined;
  /** No sum is larger. */
  #bound = 0;

  constructor(groups: number) {
    this.#sums = new Float64Array(groups);
  }

  /** Adds the values of the rows that were picked, none larger than `peak`. */
  add(taken: number, peak: number, scratch: ScanScratch): void {
    const bound = taken * peak;
    if (bound >= exactMax) {
      this.#addWhole(taken, scratch);
      return;
    }
    if (this.#bound + bound >= exactMax) this.#carry();
    this.#bound += bound;
    addAmounts(this.#sums, taken, scratch);
  }

  total(group: number): bigint {
    return BigInt(this.#sums[group] ?? 0) + (this.#carried?.[group] ?? 0n);
  }

  grow(groups: number): void {
    const sums = new Float64Array(groups);
    sums.set(this.#sums);
    this.#sums = sums;
  }

  move(from: number, to: number): void {
    this.#sums[to] = this.#sums[from] ?? 0;
    if (this.#carried !== undefined) this.#carried[to] = this.#carried[from] ?? 0n;
  }

  clear(from: number, to: number): void {
    this.#sums.fill(0, from, to);
    if (this.#carried !== undefined) this.#carried.length = Math.min(this.#carried.length, from);
  }

  #addWhole(taken: number, { picked, groups, values }: ScanScratch): void {
    this.#carried ??= [];
    for (let index = 0; index < taken; index++) {
      const group = groups[index] ?? 0;
      this.#carried[group] = (this.#carried[group] ?? 0n) + BigInt(values[picked[index] ?? 0] ?? 0);
    }
  }

  #carry(): void {
    this.#carried ??= [];
    for (const [group, sum] of this.#sums.entries()) {
      if (sum !== 0) this.#carried[group] = (this.#carried[group] ?? 0n) + BigInt(sum);
    }
    this.#sums.fill(0);
    this.#bound = 0;
  }
}

function addAmounts(sums: Float64Array, taken: number, { picked, groups, values }: ScanScratch): void {
  for (let index = 0; index < taken; index++) {
    const group = groups[index] ?? 0;
    sums[group] = (sums[group] ?? 0) + (values[picked[index] ?? 0] ?? 0);
  }
}

function hashOf(key: number): number {
  const low = key >>> 0;
  const high = (key / 4_294_967_296) | 0;
  const mixed = Math.imul(low ^ Math.imul(high, 0x85ebca6b), 0x9e3779b1);
  return mixed ^ (mixed >>> 15);
}
