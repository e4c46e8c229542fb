// One number for each group of a question, in the order in which the answer has them: what names add to it is a table for each
// column, so that the key of a row is a few additions, whatever it is grouped by.
import type { SumQuery } from "./index-query.ts";
import { labelSource, type NamedSource } from "./index-source.ts";
import type { NameBook } from "./name-book.ts";
import { QuestionFailure } from "./question-failure.ts";
import { type NameTables, type RowFilter, tablesOf } from "./row-filter.ts";

/** The names of one dimension in order. */
type Order = {
  readonly source: NamedSource;
  /** Ranks are from 0 to below this. */
  readonly count: number;
  /** What the next rank adds to a key. */
  readonly stride: number;
  rankOf(id: number): number | undefined;
  idAt(rank: number): number;
  /** The rank of a name, or of the first behind it when no event has it. */
  seek(name: string): { readonly rank: number; readonly isThere: boolean };
};

export class GroupKeys {
  /** Keys of one bucket of time are from 0 to below this. */
  readonly cells: number;
  readonly tables: NameTables;
  readonly #orders: readonly Order[];
  readonly #names: NameBook;

  /** In steps. Throws `QuestionFailure` when the groups cannot be numbered. */
  static *of(
    query: Pick<SumQuery, "groupBy" | "groupByLabels">,
    filter: RowFilter,
    names: NameBook,
  ): Generator<undefined, GroupKeys, undefined> {
    const orders: Order[] = [];
    let stride = 1;
    for (const source of [...query.groupBy, ...query.groupByLabels.map(labelSource)].reverse()) {
      const taken = filter.get(source);
      const order =
        taken === undefined ? yield* orderOfAll(source, stride, names) : orderOf(source, taken, stride, names);
      orders.unshift(order);
      stride *= order.count;
    }
    if (stride >= Number.MAX_SAFE_INTEGER / 2) throw new QuestionFailure("too-many-rows");
    return new GroupKeys(orders, stride, filter, names);
  }

  private constructor(orders: readonly Order[], cells: number, filter: RowFilter, names: NameBook) {
    this.#orders = orders;
    this.#names = names;
    this.cells = cells;
    const tables = tablesOf(filter, names);
    for (const { source, stride, rankOf } of orders) {
      const table = tables.get(source) ?? new Float64Array(names.lastIdOf(source) + 1);
      for (let id = 0; id < table.length; id++) table[id] = (table[id] ?? NaN) + stride * (rankOf(id) ?? NaN);
      tables.set(source, table);
    }
    this.tables = tables;
  }

  /** The names of a key's group. */
  valuesOf(key: number): readonly string[] {
    return this.#orders.map(({ source, stride, count, idAt }) =>
      this.#names.nameOf(source, idAt(Math.floor(key / stride) % count)),
    );
  }

  /** The first key of a bucket that lies behind these names; `cells` when none does. */
  behind(values: readonly string[]): number {
    let key = 0;
    for (const [index, { stride, seek }] of this.#orders.entries()) {
      const { rank, isThere } = seek(values[index] ?? "");
      key += rank * stride;
      if (!isThere) return key;
    }
    return key + 1;
  }
}

function* orderOfAll(source: NamedSource, stride: number, names: NameBook): Generator<undefined, Order, undefined> {
  const { rankOf, idAt } = yield* names.ranks(source);
  return {
    source,
    stride,
    count: idAt.length,
    rankOf: (id) => rankOf[id],
    idAt: (rank) => idAt[rank] ?? 0,
    seek(name) {
      const own = name === "" ? 0 : names.find(source, name);
      if (own !== undefined && own < rankOf.length) return { rank: rankOf[own] ?? 0, isThere: true };
      let behind = names.findBehind(source, name);
      while (behind !== undefined && behind >= rankOf.length) {
        behind = names.findBehind(source, names.nameOf(source, behind)); // It came after the question.
      }
      return { rank: behind === undefined ? idAt.length : (rankOf[behind] ?? 0), isThere: false };
    },
  };
}

/** Of the few names that a filter takes. */
function orderOf(source: NamedSource, taken: ReadonlySet<number>, stride: number, names: NameBook): Order {
  const inOrder = [...taken]
    .map((id) => ({ id, bytes: Buffer.from(names.nameOf(source, id)) }))
    .sort((a, b) => Buffer.compare(a.bytes, b.bytes));
  const ranks = new Map(inOrder.map(({ id }, rank) => [id, rank]));
  return {
    source,
    stride,
    count: inOrder.length,
    rankOf: (id) => ranks.get(id),
    idAt: (rank) => inOrder[rank]?.id ?? 0,
    seek(name) {
      const wanted = Buffer.from(name);
      const rank = inOrder.findIndex(({ bytes }) => Buffer.compare(bytes, wanted) >= 0);
      const found = inOrder[rank];
      if (found === undefined) return { rank: inOrder.length, isThere: false };
      return { rank, isThere: Buffer.compare(found.bytes, wanted) === 0 };
    },
  };
}
