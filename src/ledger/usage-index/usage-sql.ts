// Turns a question into SQL over the finest tables that it needs: months, days, hours and minutes that lie whole in the
// time range come from sums that are kept ready, the ragged edges from single events, so that every sum is exact.
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

type Whole = "month" | "day" | "hour" | "minute";
/** From inclusive, to exclusive; infinite: no bound. */
type Range = { readonly source: Whole | "event"; readonly from: number; readonly to: number };

const minuteMs = 60_000;
const hourMs = 3_600_000;
const dayMs = 86_400_000;

/**
 * Rows of `SumQuery`, one more than `limit` when there are more. The sums of a group of events (same project, key, model
 * and so on) are added up by its number first; names are looked up for what is left.
 */
export function sumSql(query: SumQuery): Sql {
  const wide = isWide(query);
  const groups = groupsOf(query.filter, wide);
  const parameters: SQLInputValue[] = [];
  const parts = rangesOf(query, wide).map((range) => {
    const { table, time, group, conditions } = sourceOf(range.source, wide, query.filter);
    const bounds = boundsOf(time, range);
    parameters.push(...bounds.parameters, ...conditions.parameters, ...groups.parameters);
    const where = [...bounds.texts, ...conditions.texts, ...groups.texts.map((ids) => `${group} IN (${ids})`)];
    return `SELECT ${bucketOf(query.interval, time)} AS b, ${group} AS g, ${metrics.join(", ")} FROM ${table}${whereOf(where)}`;
  });
  const columns = [
    ...query.groupBy.map((dimension) => columnOf(dimension)),
    ...query.groupByLabels.map(() => "COALESCE((SELECT value FROM label WHERE full_id = f.id AND key = ?), '')"),
  ];
  const keys = ["b", ...columns.map((_, index) => `v${index}`)];
  const sums = metrics.map((name) => `SUM(${name}) AS ${name}`).join(", ");
  const byGroup = `SELECT b, g, ${sums} FROM (${parts.join(" UNION ALL ")}) GROUP BY b, g`;
  const join = wide
    ? "JOIN full_group f ON f.id = s.g JOIN core_group c ON c.id = f.core_id"
    : "JOIN core_group c ON c.id = s.g";
  const named = [
    "s.b",
    ...columns.map((column, index) => `${column} AS v${index}`),
    ...metrics.map((name) => `s.${name}`),
  ];
  const rows = `SELECT ${named.join(", ")} FROM (${byGroup}) s ${join}`;
  const after = query.after === undefined ? "" : ` WHERE (${keys.join(", ")}) > (${keys.map(() => "?").join(", ")})`;
  const order = keys.join(", ");
  return {
    text: `SELECT ${order}, ${sums} FROM (${rows})${after} GROUP BY ${order} ORDER BY ${order} LIMIT ?`,
    // In the order of the text: labels stand before the parts that they are read from.
    parameters: [...query.groupByLabels, ...parameters, ...(query.after ?? []), query.limit + 1],
  };
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

function eventConditions(filter: IndexFilter): Conditions {
  const { texts, parameters } = boundsOf("e.time_ms", {
    from: filter.fromMs ?? -Infinity,
    to: filter.toMs ?? Infinity,
  });
  const groups = groupConditions(filter);
  texts.push(...groups.texts);
  parameters.push(...groups.parameters);
  const project = onlyProject(filter);
  if (project !== undefined) {
    texts.push("e.project = ?");
    parameters.push(project);
  }
  if (filter.workflowRun !== "") {
    texts.push("e.workflow_run = ?");
    parameters.push(filter.workflowRun);
  }
  return { texts, parameters };
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
  const whole = workflowRun === "" ? wholeSources(query.interval, wide) : [];
  const ranges = split(fromMs, toMs, whole);
  // Every query has a source, so that an empty time range is an empty answer and not bad SQL.
  return ranges.length > 0 ? ranges : [{ source: "event", from: fromMs, to: Math.max(fromMs, toMs) }];
}

/** Sums that are kept ready and whose buckets lie whole in those of the interval, widest first. */
function wholeSources(interval: Interval, wide: boolean): readonly Whole[] {
  const kept: readonly Whole[] = wide ? ["month", "day", "hour"] : ["hour", "minute"];
  const widest = { all: "month", month: "month", day: "day", hour: "hour", minute: "minute" } as const;
  const order: readonly Whole[] = ["month", "day", "hour", "minute"];
  const allowed = order.slice(order.indexOf(widest[interval]));
  return kept.filter((source) => allowed.includes(source));
}

/** Cuts a time range into whole buckets of the widest source and what is left at the edges, which the next one takes. */
export function split(from: number, to: number, sources: readonly Whole[]): readonly Range[] {
  if (from >= to) return [];
  const [source, ...finer] = sources;
  if (source === undefined) return [{ source: "event", from, to }];
  const first = Number.isFinite(from) && floorTo(source, from) !== from ? nextAfter(source, from) : from;
  const last = Number.isFinite(to) ? floorTo(source, to) : to;
  if (first >= last) return split(from, to, finer);
  return [...split(from, first, finer), { source, from: first, to: last }, ...split(last, to, finer)];
}

/** Start of the bucket that a time lies in. */
export function floorTo(source: Whole, timeMs: number): number {
  if (source === "month") {
    const date = new Date(timeMs);
    return Date.UTC(date.getUTCFullYear(), date.getUTCMonth());
  }
  const width = { day: dayMs, hour: hourMs, minute: minuteMs }[source];
  return Math.floor(timeMs / width) * width;
}

function nextAfter(source: Whole, timeMs: number): number {
  if (source === "month") {
    const date = new Date(timeMs);
    return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1);
  }
  return floorTo(source, timeMs) + { day: dayMs, hour: hourMs, minute: minuteMs }[source];
}

type Conditions = { readonly texts: string[]; readonly parameters: SQLInputValue[] };

function sourceOf(
  source: Whole | "event",
  wide: boolean,
  filter: IndexFilter,
): { readonly table: string; readonly time: string; readonly group: string; readonly conditions: Conditions } {
  if (source !== "event") {
    const table = `${wide ? "full" : "core"}_${source}`;
    return { table, time: "bucket", group: "group_id", conditions: { texts: [], parameters: [] } };
  }
  const texts = ["replaced = 0"];
  const parameters: SQLInputValue[] = [];
  if (filter.workflowRun !== "") {
    texts.push("workflow_run = ?");
    parameters.push(filter.workflowRun);
  }
  return { table: "event", time: "time_ms", group: wide ? "full_id" : "core_id", conditions: { texts, parameters } };
}

/** A query for the numbers of the groups that a filter takes; no text when it takes all. */
function groupsOf(filter: IndexFilter, wide: boolean): Conditions {
  const { texts, parameters } = groupConditions(filter);
  if (texts.length === 0) return { texts: [], parameters: [] };
  const from = wide ? "f.id FROM full_group f JOIN core_group c ON c.id = f.core_id" : "c.id FROM core_group c";
  return { texts: [`SELECT ${from}${whereOf(texts)}`], parameters };
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

function boundsOf(column: string, range: { readonly from: number; readonly to: number }): Conditions {
  const texts: string[] = [];
  const parameters: SQLInputValue[] = [];
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

/** Conditions on a group of events, by the names that it stands for. */
function groupConditions(filter: IndexFilter): Conditions {
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
