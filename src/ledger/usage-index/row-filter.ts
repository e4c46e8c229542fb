// Which rows a question is about, as numbers of names by column.
import type { IndexFilter } from "./index-query.ts";
import { labelSource, type NamedSource } from "./index-source.ts";
import type { NameBook } from "./name-book.ts";

/** Columns that are not named take all. An empty set: no row is asked for. */
export type RowFilter = ReadonlyMap<NamedSource, ReadonlySet<number>>;

/** By column: what each number of a name adds to the key of a row; NaN: rows with it are not asked for. */
export type NameTables = ReadonlyMap<NamedSource, Float64Array>;

export function toRowFilter(filter: IndexFilter, names: NameBook): RowFilter {
  const taken = new Map<NamedSource, ReadonlySet<number>>();
  for (const [source, values] of conditionsOf(filter)) {
    const ids = new Set(values.map((value) => names.find(source, value)).filter((id) => id !== undefined));
    const before = taken.get(source);
    taken.set(source, before === undefined ? ids : new Set([...ids].filter((id) => before.has(id))));
  }
  return taken;
}

/** Tables of a question without groups: each adds nothing. */
export function tablesOf(filter: RowFilter, names: NameBook): Map<NamedSource, Float64Array> {
  return new Map(
    [...filter].map(([source, ids]) => {
      const table = new Float64Array(names.lastIdOf(source) + 1).fill(Number.NaN);
      for (const id of ids) table[id] = 0;
      return [source, table];
    }),
  );
}

function conditionsOf(filter: IndexFilter): readonly (readonly [NamedSource, readonly string[]])[] {
  const lists: readonly (readonly [NamedSource, readonly string[]])[] = [
    ...scopeOf(filter),
    ["project", filter.projects],
    ["key", filter.keys],
    ["model", filter.models],
    ["provider", filter.providers],
    ["outcome", filter.outcomes],
    ["workflow_run", filter.workflowRun === "" ? [] : [filter.workflowRun]],
    ...filter.labels.map(([key, value]) => [labelSource(key), [value]] as const),
  ];
  return lists.filter(([, values]) => values.length > 0);
}

function scopeOf({ scope }: IndexFilter): readonly (readonly [NamedSource, readonly string[]])[] {
  switch (scope.kind) {
    case "everything":
      return [];
    case "organisation":
      return [["organisation", [scope.organisationId]]];
    case "team":
      return [["team", [scope.teamId]]];
    case "project":
      return [["project", [scope.projectId]]];
  }
}
