// The names of the index and their numbers. A number is given for good; which name comes first in a question's answer is said
// by ranks, which are made when a question needs them.
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { NamedSource } from "./index-source.ts";
import { QuestionFailure } from "./question-failure.ts";

/** The names of a source in their order, by the bytes of their UTF-8. Rank 0 is that of "", whose number is 0. */
export type Ranks = {
  /** By number. */
  readonly rankOf: Int32Array;
  /** By rank. */
  readonly idAt: Int32Array;
};

const limits = {
  /** Numbers that are remembered of a source; past it the memory starts anew. */
  rememberedMax: 50_000,
  /** Sources whose numbers or ranks are remembered. */
  sourcesMax: 64,
  /** Names of a source that a question may be grouped by: 8 bytes of memory for each. */
  rankedMax: 5_000_000,
  /** Names that are put in order in one step, some 10 ms. */
  stepRows: 10_000,
};

type Row = Readonly<Record<string, unknown>> | undefined;

export class NameBook {
  readonly #idOf: StatementSync;
  readonly #nameOf: StatementSync;
  readonly #lastOf: StatementSync;
  readonly #insert: StatementSync;
  readonly #inOrder: StatementSync;
  readonly #nextAfter: StatementSync;
  readonly #remembered = new Map<NamedSource, Map<string, number>>();
  readonly #lastIds = new Map<NamedSource, number>();
  readonly #ranks = new Map<NamedSource, Ranks>();

  constructor(database: DatabaseSync) {
    this.#idOf = database.prepare("SELECT id FROM name WHERE source = ? AND value = ?");
    this.#nameOf = database.prepare("SELECT value FROM name WHERE source = ? AND id = ?");
    this.#lastOf = database.prepare("SELECT MAX(id) AS id FROM name WHERE source = ?");
    this.#insert = database.prepare("INSERT INTO name (source, value, id) VALUES (?, ?, ?)");
    this.#inOrder = database.prepare(
      "SELECT id, value FROM name WHERE source = ? AND value > ? ORDER BY value LIMIT ?",
    );
    this.#nextAfter = database.prepare("SELECT id FROM name WHERE source = ? AND value > ? ORDER BY value LIMIT 1");
  }

  /** The number of a name, given now when it has none. */
  idOf(source: NamedSource, name: string): number {
    if (name === "" && !isLabel(source)) return 0;
    const known = this.#remembered.get(source)?.get(name);
    if (known !== undefined) return known;
    const id = this.find(source, name) ?? this.#give(source, name);
    this.#remember(source, name, id);
    return id;
  }

  /** `undefined`: no event has it. */
  find(source: NamedSource, name: string): number | undefined {
    return name === "" && !isLabel(source) ? 0 : idIn(this.#idOf.get(source, name));
  }

  nameOf(source: NamedSource, id: number): string {
    return id === 0 ? "" : String(this.#nameOf.get(source, id)?.["value"] ?? "");
  }

  /** The number of the first name behind one in order. */
  findBehind(source: NamedSource, name: string): number | undefined {
    return idIn(this.#nextAfter.get(source, name));
  }

  lastIdOf(source: NamedSource): number {
    const known = this.#lastIds.get(source);
    if (known !== undefined) return known;
    const last = idIn(this.#lastOf.get(source)) ?? 0;
    if (this.#lastIds.size >= limits.sourcesMax) this.#lastIds.clear();
    this.#lastIds.set(source, last);
    return last;
  }

  /** In steps: there may be millions. Throws `QuestionFailure` when there are more than can be put in order. */
  *ranks(source: NamedSource): Generator<undefined, Ranks, undefined> {
    const lastId = this.lastIdOf(source);
    const known = this.#ranks.get(source);
    if (known?.idAt.length === lastId + 1) return known;
    if (lastId > limits.rankedMax) throw new QuestionFailure("too-many-names", source);
    const ranks = { rankOf: new Int32Array(lastId + 1), idAt: new Int32Array(lastId + 1) };
    let rank = 0;
    let behind = "";
    for (let isMore = true; isMore; ) {
      const rows = this.#inOrder.all(source, behind, limits.stepRows);
      for (const row of rows) {
        const id = Number(row["id"]);
        if (id > lastId) continue; // Came while this was made.
        rank += 1;
        ranks.rankOf[id] = rank;
        ranks.idAt[rank] = id;
      }
      behind = String(rows.at(-1)?.["value"]);
      isMore = rows.length === limits.stepRows;
      if (isMore) yield;
    }
    if (this.#ranks.size >= limits.sourcesMax) this.#ranks.clear();
    this.#ranks.set(source, ranks);
    return ranks;
  }

  /** After a transaction was rolled back: numbers that were given in it are free again. */
  forget(): void {
    this.#remembered.clear();
    this.#lastIds.clear();
    this.#ranks.clear();
  }

  #give(source: NamedSource, name: string): number {
    const id = this.lastIdOf(source) + 1;
    this.#insert.run(source, name, id);
    this.#lastIds.set(source, id);
    return id;
  }

  #remember(source: NamedSource, name: string, id: number): void {
    let names = this.#remembered.get(source);
    if (names === undefined) {
      if (this.#remembered.size >= limits.sourcesMax) this.#remembered.clear();
      names = new Map();
      this.#remembered.set(source, names);
    }
    if (names.size >= limits.rememberedMax) names.clear();
    names.set(name, id);
  }
}

/** A label may be there and empty, which a filter tells from one that is absent; in order and in sums they are one. */
function isLabel(source: NamedSource): boolean {
  return source.startsWith("label:");
}

function idIn(row: Row): number | undefined {
  const id = row?.["id"];
  return typeof id === "number" ? id : undefined;
}
