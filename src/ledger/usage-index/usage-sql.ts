// Turns a question into SQL over the finest tables that it needs: hours and minutes that lie whole in the time range come
// from sums that are kept ready, the ragged edges from single events, so that every sum is exact.
import type { SQLInputValue } from "node:sqlite";
import {
  type Dimension,
  type IndexFilter,
  type Interval,
  type ListQuery,
  metrics,
  type SumQuery,
  type TailQuery,
} from "./index-query.ts";

export type Sql = { readonly text: string; readonly parameters: readonly SQLInputValue[] };

type Source = "hour" | "minute" | "event";
/** From inclusive, to exclusive; infinite: no bound. */
type Range = { readonly source: Source; readonly from: number; readonly to: number };

export const minuteMs = 60_000;
export const hourMs = 3_600_000;
const dayMs = 86_400_000;

/** Rows of `SumQuery`, one more than `limit` when there are more. */
export function sumSql(query: SumQuery): Sql {
  const wide = isWide(query);
  const columns = [
    ...query.groupBy.map((dimension) => columnOf(dimension)),
    ...query.groupByLabels.map(() => "COALESCE((SELECT value FROM label WHERE full_id = f.id AND key = ?), '')"),
  ];
  const names = columns.map((_, index) => `v${index}`);
  const conditions = conditionsOf(query.filter);
  const parameters: SQLInputValue[] = [];
  const parts = rangesOf(query, wide).map((range) => {
    const selected = columns.map((column, index) => `${column} AS v${index}`);
    const time = range.source === "event" ? "e.time_ms" : "r.bucket";
    const bounds = boundsOf(time, range);
    const where = [...bounds.texts, ...conditions.texts, ...(range.source === "event" ? ["e.replaced = 0"] : [])];
    const alias = range.source === "event" ? "e" : "r";
    parameters.push(...query.groupByLabels, ...bounds.parameters, ...conditions.parameters);
    const list = [`${bucketOf(query.interval, time)} AS b`, ...selected, ...metrics.map((name) => `${alias}.${name}`)];
    return `SELECT ${list.join(", ")} FROM ${fromOf(range.source, wide)}${whereOf(where)}`;
  });
  const keys = ["b", ...names];
  const sums = metrics.map((name) => `SUM(${name}) AS ${name}`);
  const after = query.after === undefined ? "" : ` WHERE (${keys.join(", ")}) > (${keys.map(() => "?").join(", ")})`;
  if (query.after !== undefined) parameters.push(...query.after);
  parameters.push(query.limit + 1);
  const text = `SELECT ${[...keys, ...sums].join(", ")} FROM (${parts.join(" UNION ALL ")})${after} GROUP BY ${keys.join(", ")} ORDER BY ${keys.join(", ")} LIMIT ?`;
  return { text, parameters };
}

/** Events, newest first, one more than `limit` when there are more. */
export function listSql(query: ListQuery): Sql {
  const { texts, parameters } = eventConditions(query.filter);
  const before = query.before === undefined ? [] : ["(e.time_ms, e.place) < (?, ?)"];
  const values = query.before === undefined ? [] : [query.before.timeMs, query.before.place];
  return {
    text: `${selectEvents}${whereOf([...texts, ...before])} ORDER BY e.time_ms DESC, e.place DESC LIMIT ?`,
    parameters: [...parameters, ...values, query.limit + 1],
  };
}

/** Events in the order of the journal. */
export function tailSql(query: TailQuery): Sql {
  const { texts, parameters } = eventConditions(query.filter);
  return {
    text: `${selectEvents}${whereOf([...texts, "e.place > ?"])} ORDER BY e.place LIMIT ?`,
    parameters: [...parameters, query.after, query.limit],
  };
}

// CROSS JOIN fixes the order of the loops: events first, in the order of an index, so that a page stops early.
const selectEvents =
  "SELECT e.place, e.time_ms, e.payload FROM event e CROSS JOIN full_group f ON f.id = e.full_id CROSS JOIN core_group c ON c.id = f.core_id";

function eventConditions(filter: IndexFilter): { texts: string[]; parameters: SQLInputValue[] } {
  const bounds = boundsOf("e.time_ms", { from: filter.fromMs ?? -Infinity, to: filter.toMs ?? Infinity });
  const conditions = conditionsOf(filter);
  const project = onlyProject(filter);
  return {
    texts: [...bounds.texts, ...conditions.texts, ...(project === undefined ? [] : ["e.project = ?"])],
    parameters: [...bounds.parameters, ...conditions.parameters, ...(project === undefined ? [] : [project])],
  };
}

/** The project, when there is but one: events then come from the index by project and time. */
function onlyProject(filter: IndexFilter): string | undefined {
  if (filter.scope.kind === "project") return filter.scope.projectId;
  return filter.projects.length === 1 ? filter.projects[0] : undefined;
}

/** True when the question needs end users or labels, which the narrow sums do not have. */
function isWide({ groupBy, groupByLabels, filter }: SumQuery): boolean {
  return groupBy.includes("end_user") || groupByLabels.length > 0 || filter.labels.length > 0;
}

function rangesOf(query: SumQuery, wide: boolean): readonly Range[] {
  const { fromMs = -Infinity, toMs = Infinity, workflowRun } = query.filter;
  const whole: ("hour" | "minute")[] = [];
  if (workflowRun === "") {
    if (query.interval !== "minute") whole.push("hour");
    if (!wide) whole.push("minute");
  }
  const ranges = split(fromMs, toMs, whole);
  // Every query has a source, so that an empty time range is an empty answer and not bad SQL.
  return ranges.length > 0 ? ranges : [{ source: "event", from: fromMs, to: Math.max(fromMs, toMs) }];
}

/** Cuts a time range into whole buckets of the widest source and what is left at the edges, which the next one takes. */
export function split(from: number, to: number, sources: readonly ("hour" | "minute")[]): readonly Range[] {
  if (from >= to) return [];
  const [source, ...finer] = sources;
  if (source === undefined) return [{ source: "event", from, to }];
  const width = source === "hour" ? hourMs : minuteMs;
  const first = Math.ceil(from / width) * width;
  const last = Math.floor(to / width) * width;
  if (first >= last) return split(from, to, finer);
  return [...split(from, first, finer), { source, from: first, to: last }, ...split(last, to, finer)];
}

function fromOf(source: Source, wide: boolean): string {
  if (source === "event") return "event e JOIN full_group f ON f.id = e.full_id JOIN core_group c ON c.id = f.core_id";
  if (wide) return "full_hour r JOIN full_group f ON f.id = r.group_id JOIN core_group c ON c.id = f.core_id";
  return `core_${source} r JOIN core_group c ON c.id = r.group_id`;
}

function columnOf(dimension: Dimension): string {
  return dimension === "end_user" ? "f.end_user" : `c.${dimension}`;
}

function bucketOf(interval: Interval, time: string): string {
  switch (interval) {
    case "all":
      return "0";
    case "minute":
      return `${time} / ${minuteMs} * ${minuteMs}`;
    case "hour":
      return `${time} / ${hourMs} * ${hourMs}`;
    case "day":
      return `${time} / ${dayMs} * ${dayMs}`;
    case "month":
      return `unixepoch(${time} / 1000, 'unixepoch', 'start of month') * 1000`;
  }
}

function boundsOf(
  column: string,
  range: { readonly from: number; readonly to: number },
): { texts: string[]; parameters: number[] } {
  const texts: string[] = [];
  const parameters: number[] = [];
  if (Number.isFinite(range.from)) {
    texts.push(`${column} >= ?`);
    parameters.push(range.from);
  }
  if (Number.isFinite(range.to)) {
    texts.push(`${column} < ?`);
    parameters.push(range.to);
  }
  return { texts, parameters };
}

function conditionsOf(filter: IndexFilter): { texts: string[]; parameters: SQLInputValue[] } {
  const texts: string[] = [];
  const parameters: SQLInputValue[] = [];
  const lists: readonly (readonly [string, readonly string[]])[] = [
    ["c.project", filter.projects],
    ["c.key", filter.keys],
    ["c.model", filter.models],
    ["c.provider", filter.providers],
    ["c.outcome", filter.outcomes],
    ...scopeLists(filter),
  ];
  for (const [column, values] of lists) {
    if (values.length === 0) continue;
    texts.push(`${column} IN (${values.map(() => "?").join(", ")})`);
    parameters.push(...values);
  }
  for (const [key, value] of filter.labels) {
    texts.push("EXISTS (SELECT 1 FROM label WHERE full_id = f.id AND key = ? AND value = ?)");
    parameters.push(key, value);
  }
  if (filter.workflowRun !== "") {
    texts.push("e.workflow_run = ?");
    parameters.push(filter.workflowRun);
  }
  return { texts, parameters };
}

function scopeLists({ scope }: IndexFilter): readonly (readonly [string, readonly string[]])[] {
  switch (scope.kind) {
    case "everything":
      return [];
    case "organisation":
      return [["c.organisation", [scope.organisationId]]];
    case "team":
      return [["c.team", [scope.teamId]]];
    case "project":
      return [["c.project", [scope.projectId]]];
  }
}

function whereOf(conditions: readonly string[]): string {
  return conditions.length === 0 ? "" : ` WHERE ${conditions.join(" AND ")}`;
}
