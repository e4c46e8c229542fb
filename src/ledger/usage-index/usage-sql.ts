// Turns a question into SQL over the narrowest tables that have what it needs: months, days and hours that lie whole in the
// time range come from sums that are kept ready, the ragged edges from single events, so that every sum is exact.
import type { SQLInputValue } from "node:sqlite";
import { boundsOf, type Conditions, eventConditions, groupConditions, whereOf } from "./index-conditions.ts";
import {
  type Dimension,
  type Interval,
  type ListQuery,
  metrics,
  type SumQuery,
  type TailQuery,
} from "./index-query.ts";
import { type Cut, type Width, widthsOf } from "./index-schema.ts";
import { fixedWidthMs, split, type TimeRange } from "./time-buckets.ts";

export type Sql = { readonly text: string; readonly parameters: readonly SQLInputValue[] };

/** End users in the order of their names: `from` and `upTo` are in it, `after` is not; absent: no bound. */
export type UserRange = {
  readonly from?: string | undefined;
  readonly after?: string | undefined;
  readonly upTo?: string | undefined;
};

/** One SELECT: bucket, group, then the end user and the labels that are asked for, then the metrics. */
type Part = { readonly text: string; readonly parameters: readonly SQLInputValue[] };

const metricColumns = metrics.join(", ");

/** The cut that has all that a question needs; `undefined`: none, and the events themselves are summed. */
export function cutOf({ groupBy, groupByLabels, filter }: SumQuery): Cut | undefined {
  if (filter.workflowRun !== "") return undefined;
  const labels = new Set([...groupByLabels, ...filter.labels.map(([key]) => key)]);
  const byUser = groupBy.includes("end_user");
  if (groupByLabels.length > 1 || labels.size > 1 || (byUser && labels.size > 0)) return undefined;
  const { keys, models, providers, outcomes } = filter;
  const isFine = [keys, models, providers, outcomes].some((list) => list.length > 0) || groupBy.some(isOfCore);
  if (byUser) return isFine ? undefined : "user";
  if (labels.size === 0) return isFine ? "core" : "project";
  return isFine ? "label_core" : "label";
}

function isOfCore(dimension: Dimension): boolean {
  return dimension !== "end_user" && dimension !== "project" && dimension !== "team";
}

/**
 * Rows of `SumQuery`, one more than `limit` when there are more. The sums of a group of events (same project, key, model
 * and so on) are added up by its number first; names are looked up for what is left.
 */
export function sumSql(query: SumQuery, users?: UserRange): Sql {
  const cut = cutOf(query);
  const isCoarse = cut === "project" || cut === "user" || cut === "label";
  const wide = [...(query.groupBy.includes("end_user") ? ["end_user"] : []), ...query.groupByLabels];
  const wideColumns = wide.map((_, index) => `w${index}`);
  const parts = rangesOf(query, cut).flatMap((range) =>
    range.source === "event" || range.source === "minute" || cut === undefined
      ? [eventPart(query, range, isCoarse, users)]
      : cutParts(query, cut, range.source, range, users),
  );
  const sums = metrics.map((name) => `SUM(${name}) AS ${name}`).join(", ");
  const inner = ["b", "g", ...wideColumns].join(", ");
  const byGroup = `SELECT ${inner}, ${sums} FROM (${parts.map(({ text }) => text).join(" UNION ALL ")}) GROUP BY ${inner}`;
  const labelFrom = wide.length - query.groupByLabels.length;
  const columns = [
    ...query.groupBy.map((dimension) => (dimension === "end_user" ? "s.w0" : `c.${dimension}`)),
    ...query.groupByLabels.map((_, index) => `s.w${labelFrom + index}`),
  ];
  const keys = ["b", ...columns.map((_, index) => `v${index}`)];
  const named = ["s.b", ...columns.map((column, index) => `${column} AS v${index}`), ...metrics.map((m) => `s.${m}`)];
  const group = isCoarse ? "project_group" : "core_group";
  const rows = `SELECT ${named.join(", ")} FROM (${byGroup}) s JOIN ${group} c ON c.id = s.g`;
  const after = query.after === undefined ? "" : ` WHERE (${keys.join(", ")}) > (${keys.map(() => "?").join(", ")})`;
  const order = keys.join(", ");
  return {
    // A row without events is what is left of a label's absence, or of an event that was replaced.
    text: `SELECT ${order}, ${sums} FROM (${rows})${after} GROUP BY ${order} HAVING SUM(requests) > 0 ORDER BY ${order} LIMIT ?`,
    parameters: [...parts.flatMap(({ parameters }) => parameters), ...(query.after ?? []), query.limit + 1],
  };
}

/** The first end users of a range, in order: where a page of sums by end user may end. */
export function usersSql(range: UserRange, count: number): Sql {
  const { texts, parameters } = userConditions("end_user", range);
  return {
    text: `SELECT DISTINCT end_user FROM user_month${whereOf(texts)} ORDER BY end_user LIMIT ?`,
    parameters: [...parameters, count],
  };
}

/** Events, newest first, one more than `limit` when there are more. */
export function listSql(query: ListQuery): Sql {
  const { filter } = query;
  const bounds = boundsOf("e.time_ms", { from: filter.fromMs ?? -Infinity, to: filter.toMs ?? Infinity });
  const { texts, parameters } = join(bounds, eventConditions(filter), groupConditions(filter));
  const before = query.before === undefined ? [] : ["(e.time_ms, e.place) < (?, ?)"];
  const values = query.before === undefined ? [] : [query.before.timeMs, query.before.place];
  return {
    text: `${selectEvents}${whereOf([...texts, ...before])} ORDER BY e.time_ms DESC, e.place DESC LIMIT ?`,
    parameters: [...parameters, ...values, query.limit + 1],
  };
}

/** Events in the order of the journal. */
export function tailSql(query: TailQuery): Sql {
  const { filter } = query;
  const bounds = boundsOf("e.time_ms", { from: filter.fromMs ?? -Infinity, to: filter.toMs ?? Infinity });
  const { texts, parameters } = join(bounds, eventConditions(filter), groupConditions(filter));
  return {
    text: `${selectEvents}${whereOf([...texts, "e.place > ?"])} ORDER BY e.place LIMIT ?`,
    parameters: [...parameters, query.after, query.limit],
  };
}

// CROSS JOIN fixes the order of the loops: events first, in the order of an index, so that a page stops early.
const selectEvents =
  "SELECT e.place, e.time_ms, p.payload FROM event e CROSS JOIN core_group c ON c.id = e.core_id CROSS JOIN payload p ON p.place = e.place";

function join(...conditions: readonly Conditions[]): Conditions {
  return {
    texts: conditions.flatMap(({ texts }) => texts),
    parameters: conditions.flatMap(({ parameters }) => parameters),
  };
}

function rangesOf(query: SumQuery, cut: Cut | undefined): readonly TimeRange[] {
  const { fromMs = -Infinity, toMs = Infinity } = query.filter;
  const ranges = split(fromMs, toMs, cut === undefined ? [] : wholeSources(query.interval, cut));
  // Every query has a source, so that an empty time range is an empty answer and not bad SQL.
  return ranges.length > 0 ? ranges : [{ source: "event", from: fromMs, to: Math.max(fromMs, toMs) }];
}

/** Sums that are kept ready and whose buckets lie whole in those of the interval, widest first. */
function wholeSources(interval: Interval, cut: Cut): readonly Width[] {
  const allowed = { all: 0, month: 0, day: 1, hour: 2, minute: 3 }[interval];
  const kept: readonly Width[] = widthsOf[cut];
  const order: readonly Width[] = ["month", "day", "hour"];
  return order.slice(allowed).filter((width) => kept.includes(width));
}

/** What a cut has of a time range. By a label: also the events without it, which are all less those with it. */
function cutParts(
  query: SumQuery,
  cut: Cut,
  width: Width,
  range: TimeRange,
  users: UserRange | undefined,
): readonly Part[] {
  const { filter, interval, groupByLabels } = query;
  const [label] = groupByLabels;
  const [wanted] = filter.labels;
  const key = label ?? wanted?.[0];
  const isCoarse = cut !== "core" && cut !== "label_core";
  const groups = groupsOf(query, isCoarse);
  const bounds = join(boundsOf("t.bucket", range), groups);
  const bucket = `${bucketOf(interval, "t.bucket")} AS b, t.group_id AS g`;
  const where = (more: Conditions): Pick<Part, "parameters"> & { readonly where: string } => {
    const all = join(more, bounds);
    return { where: whereOf(all.texts), parameters: all.parameters };
  };
  if (cut === "user") {
    const part = where(userConditions("t.end_user", users));
    return [
      {
        text: `SELECT ${bucket}, t.end_user AS w0, ${metricColumns} FROM user_${width} t${part.where}`,
        parameters: part.parameters,
      },
    ];
  }
  if (key === undefined) {
    const part = where({ texts: [], parameters: [] });
    return [
      { text: `SELECT ${bucket}, ${metricColumns} FROM ${cut}_${width} t${part.where}`, parameters: part.parameters },
    ];
  }
  const value = wanted === undefined ? [] : [wanted[1]];
  const part = where({ texts: ["v.key = ?", ...value.map(() => "v.value = ?")], parameters: [key, ...value] });
  const from = `FROM label_value v CROSS JOIN ${cut}_${width} t ON t.value_id = v.id${part.where}`;
  const having = {
    text: `SELECT ${bucket}, ${label === undefined ? "" : "v.value AS w0, "}${metricColumns} ${from}`,
    parameters: part.parameters,
  };
  if (label === undefined || wanted !== undefined) return [having];
  const all = where({ texts: [], parameters: [] });
  const table = isCoarse ? "project" : "core";
  const negated = metrics.map((name) => `-${name}`).join(", ");
  return [
    having,
    {
      text: `SELECT ${bucket}, '' AS w0, ${metricColumns} FROM ${table}_${width} t${all.where}`,
      parameters: all.parameters,
    },
    { text: `SELECT ${bucket}, '' AS w0, ${negated} ${from}`, parameters: part.parameters },
  ];
}

function eventPart(query: SumQuery, range: TimeRange, isCoarse: boolean, users: UserRange | undefined): Part {
  const { filter, interval, groupBy, groupByLabels } = query;
  const columns = [
    ...(groupBy.includes("end_user") ? ["e.end_user"] : []),
    ...groupByLabels.map(
      () =>
        "COALESCE((SELECT v.value FROM label l JOIN label_value v ON v.id = l.value_id WHERE l.set_id = e.set_id AND l.key = ?), '')",
    ),
  ];
  const wide = columns.map((column, index) => `, ${column} AS w${index}`).join("");
  const group = isCoarse ? "(SELECT project_group FROM core_group WHERE id = e.core_id)" : "e.core_id";
  const groups = groupsOf(query, false);
  const all = join(
    boundsOf("e.time_ms", range),
    userConditions("e.end_user", users),
    eventConditions(filter),
    { texts: groups.texts.map((text) => text.replace("t.group_id", "e.core_id")), parameters: groups.parameters },
    { texts: ["e.replaced = 0"], parameters: [] },
  );
  return {
    text: `SELECT ${bucketOf(interval, "e.time_ms")} AS b, ${group} AS g${wide}, ${metricColumns} FROM event e${whereOf(all.texts)}`,
    parameters: [...groupByLabels, ...all.parameters],
  };
}

function userConditions(column: string, users: UserRange | undefined): Conditions {
  const bounds = [
    [`${column} >= ?`, users?.from],
    [`${column} > ?`, users?.after],
    [`${column} <= ?`, users?.upTo],
  ] as const;
  const said = bounds.filter(([, name]) => name !== undefined);
  return { texts: said.map(([text]) => text), parameters: said.map(([, name]) => name ?? "") };
}

/** The numbers of the groups that a filter takes; no condition when it takes all. */
function groupsOf({ filter }: SumQuery, isCoarse: boolean): Conditions {
  const { texts, parameters } = groupConditions(filter);
  if (texts.length === 0) return { texts: [], parameters: [] };
  const table = isCoarse ? "project_group" : "core_group";
  return { texts: [`t.group_id IN (SELECT c.id FROM ${table} c${whereOf(texts)})`], parameters };
}

function bucketOf(interval: Interval, time: string): string {
  switch (interval) {
    case "all":
      return "0";
    case "month":
      return `unixepoch(${time} / 1000, 'unixepoch', 'start of month') * 1000`;
    default:
      return `${time} / ${fixedWidthMs[interval]} * ${fixedWidthMs[interval]}`;
  }
}
