// Blocks that are full, in the database. What they hold is read by the column, when a question needs it.
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { badRow } from "./bad-row.ts";
import type { Block } from "./block.ts";
import { type Column, type ColumnWidth, encodeColumn } from "./column.ts";
import type { Source } from "./index-source.ts";
import type { OpenBlock } from "./open-block.ts";

const widths: readonly ColumnWidth[] = [0, 1, 2, 4, 8];

export class ColumnBlocks {
  readonly #insertBlock: StatementSync;
  readonly #insertColumn: StatementSync;
  readonly #selectBlocks: StatementSync;
  readonly #selectColumn: StatementSync;
  #all: readonly Block[] = [];

  constructor(database: DatabaseSync) {
    this.#insertBlock = database.prepare(
      "INSERT INTO block (row_count, first_ms, last_ms, first_place, last_place) VALUES (?, ?, ?, ?, ?)",
    );
    this.#insertColumn = database.prepare(
      "INSERT INTO block_column (block, source, width, base, peak, bytes) VALUES (?, ?, ?, ?, ?, ?)",
    );
    this.#selectBlocks = database.prepare("SELECT * FROM block ORDER BY id");
    this.#selectBlocks.setReadBigInts(true);
    this.#selectColumn = database.prepare(
      "SELECT width, base, peak, bytes FROM block_column WHERE block = ? AND source = ?",
    );
    this.reload();
  }

  /** In the order of the journal. */
  get all(): readonly Block[] {
    return this.#all;
  }

  /** What the database has: after it was opened, or a transaction rolled back. */
  reload(): void {
    this.#all = this.#selectBlocks.all().map((row) => this.#blockOf(row));
  }

  add(open: OpenBlock): void {
    const block = open.snapshot();
    const { rows, firstMs, lastMs, firstPlace, lastPlace } = block;
    const id = Number(this.#insertBlock.run(rows, firstMs, lastMs, firstPlace, lastPlace).lastInsertRowid);
    for (const [source, values] of open.columns()) {
      const { width, base, peak, bytes } = encodeColumn(values);
      this.#insertColumn.run(id, source, width, base, peak, bytes);
    }
    this.#all = [...this.#all, { ...block, column: (source) => this.#columnOf(id, source) }];
  }

  #blockOf(row: Readonly<Record<string, unknown>>): Block {
    const { id, first_place: firstPlace, last_place: lastPlace } = row;
    if (typeof firstPlace !== "bigint" || typeof lastPlace !== "bigint") throw badRow();
    return {
      rows: Number(row["row_count"]),
      firstMs: Number(row["first_ms"]),
      lastMs: Number(row["last_ms"]),
      firstPlace,
      lastPlace,
      column: (source) => this.#columnOf(Number(id), source),
    };
  }

  #columnOf(block: number, source: Source): Column | undefined {
    const row = this.#selectColumn.get(block, source);
    if (row === undefined) return undefined;
    const { base, peak, bytes } = row;
    const width = widths.find((known) => known === row["width"]);
    if (width === undefined || !(bytes instanceof Uint8Array)) throw badRow();
    return { width, base: Number(base), peak: Number(peak), bytes };
  }
}
