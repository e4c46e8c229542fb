// What a batch of events adds to the sums that are kept: gathered in memory by the finest width of each cut, from which the
// wider ones follow, so that each row of a table is written once a batch.
import { type Cut, cuts, type Width, widthsOf } from "./index-schema.ts";
import { floorTo } from "./time-buckets.ts";

/** Where an event counts. */
export type Belongs = {
  readonly timeMs: number;
  readonly projectGroup: number;
  readonly core: number;
  readonly endUser: string;
  /** Ids of its labels' values. */
  readonly labelValues: readonly number[];
};

export type Sums = {
  readonly cut: Cut;
  readonly width: Width;
  /** Values of the primary key, as `keyColumnsOf` has them. */
  readonly key: readonly (string | number)[];
  readonly values: bigint[];
};

type Finest = { readonly cut: Cut; readonly bucket: number; readonly group: number; readonly wide: string | number };

export class RollupBatch {
  readonly #finest = new Map<string, Finest & { readonly values: bigint[] }>();

  /** `values`: of all metrics; negative to take an event out again. */
  add(event: Belongs, values: readonly bigint[]): void {
    const { timeMs, projectGroup, core, endUser, labelValues } = event;
    const hour = floorTo("hour", timeMs);
    const day = floorTo("day", timeMs);
    this.#addTo({ cut: "project", bucket: hour, group: projectGroup, wide: 0 }, values);
    this.#addTo({ cut: "core", bucket: hour, group: core, wide: 0 }, values);
    this.#addTo({ cut: "user", bucket: day, group: projectGroup, wide: endUser }, values);
    for (const value of labelValues) {
      this.#addTo({ cut: "label", bucket: hour, group: projectGroup, wide: value }, values);
      this.#addTo({ cut: "label_core", bucket: day, group: core, wide: value }, values);
    }
  }

  /** Rows of all widths, those of one table after the other and in the order of their keys, so that writes lie together. */
  *rows(): Iterable<Sums> {
    for (const cut of cuts) {
      for (const width of widthsOf[cut]) {
        const rows = new Map<string, Sums>();
        for (const one of this.#finest.values()) if (one.cut === cut) addRow(rows, one, width);
        yield* [...rows.values()].sort(byKey);
      }
    }
  }

  #addTo(finest: Finest, values: readonly bigint[]): void {
    const key = `${finest.cut} ${finest.bucket} ${finest.group} ${finest.wide}`;
    const held = this.#finest.get(key);
    if (held === undefined) this.#finest.set(key, { ...finest, values: [...values] });
    else addValues(held.values, values);
  }
}

function addRow(rows: Map<string, Sums>, one: Finest & { readonly values: bigint[] }, width: Width): void {
  const { cut, group, wide, values } = one;
  const bucket = floorTo(width, one.bucket);
  const id = `${bucket} ${group} ${wide}`;
  const held = rows.get(id);
  if (held !== undefined) addValues(held.values, values);
  else {
    const key = cut === "project" || cut === "core" ? [bucket, group] : [wide, bucket, group];
    rows.set(id, { cut, width, key, values: [...values] });
  }
}

function byKey({ key: a }: Sums, { key: b }: Sums): number {
  for (const [index, value] of a.entries()) {
    const other = b[index] ?? 0;
    if (value !== other) return value < other ? -1 : 1;
  }
  return 0;
}

function addValues(sums: bigint[], values: readonly bigint[]): void {
  for (let index = 0; index < values.length; index++) {
    const value = values[index];
    if (value !== undefined && value !== 0n) sums[index] = (sums[index] ?? 0n) + value;
  }
}
