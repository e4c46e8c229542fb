// Conditions of a filter, as SQL: on the group of an event, and on an event itself.
import type { SQLInputValue } from "node:sqlite";
import type { IndexFilter } from "./index-query.ts";

export type Conditions = { readonly texts: string[]; readonly parameters: SQLInputValue[] };

export function whereOf(conditions: readonly string[]): string {
  return conditions.length === 0 ? "" : ` WHERE ${conditions.join(" AND ")}`;
}

export function boundsOf(column: string, range: { readonly from: number; readonly to: number }): Conditions {
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

/** On `c`, a row of project_group, or of core_group when the filter asks for what only that has. */
export function groupConditions(filter: IndexFilter): Conditions {
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
  return { texts, parameters };
}

/** On `e`, a row of event: its labels, its workflow run, and its project when there is but one, for which there is an index. */
export function eventConditions(filter: IndexFilter): Conditions {
  const texts: string[] = [];
  const parameters: SQLInputValue[] = [];
  for (const [key, value] of filter.labels) {
    texts.push(
      "EXISTS (SELECT 1 FROM label l JOIN label_value v ON v.id = l.value_id WHERE l.set_id = e.set_id AND l.key = ? AND v.value = ?)",
    );
    parameters.push(key, value);
  }
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

function onlyProject(filter: IndexFilter): string | undefined {
  if (filter.scope.kind === "project") return filter.scope.projectId;
  return filter.projects.length === 1 ? filter.projects[0] : undefined;
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
