// The tables of the usage index. Beside the events stand sums by hour, day and month, in five cuts of what QueryUsage may
// ask for. A cut that crossed everything would have as many rows as there are events, and sum nothing:
//   project     project, with its team and organisation
//   core        also key, model, provider, operation and outcome
//   user        end user and project, in the order of end users, so that a page of them is a piece of the table
//   label       one label's value and project
//   label_core  one label's value and core
// What no cut has (two labels, an end user and a model, single minutes) is summed from the events themselves, which are
// narrow for that reason: their bytes stand in a table of their own.
import { metrics } from "./index-query.ts";

export const indexVersion = "3";

export type Cut = "project" | "core" | "user" | "label" | "label_core";
export type Width = "month" | "day" | "hour";

/** Widths in which a cut is kept, widest first. Sums of end users by the hour would be as many as events. */
export const widthsOf = {
  project: ["month", "day", "hour"],
  core: ["month", "day", "hour"],
  user: ["month", "day"],
  label: ["month", "day", "hour"],
  label_core: ["month", "day"],
} as const satisfies Readonly<Record<Cut, readonly Width[]>>;

export const cuts: readonly Cut[] = ["project", "core", "user", "label", "label_core"];

/** Columns of the primary key of a cut's tables, in order, with their types. */
export const keyColumnsOf = {
  project: [
    ["bucket", "INTEGER"],
    ["group_id", "INTEGER"],
  ],
  core: [
    ["bucket", "INTEGER"],
    ["group_id", "INTEGER"],
  ],
  user: [
    ["end_user", "TEXT"],
    ["bucket", "INTEGER"],
    ["group_id", "INTEGER"],
  ],
  label: [
    ["value_id", "INTEGER"],
    ["bucket", "INTEGER"],
    ["group_id", "INTEGER"],
  ],
  label_core: [
    ["value_id", "INTEGER"],
    ["bucket", "INTEGER"],
    ["group_id", "INTEGER"],
  ],
} as const satisfies Readonly<Record<Cut, readonly (readonly [string, string])[]>>;

/** Came later than the version: an index without it has no corrections, and need not be made anew. */
export const correctionSchema =
  "CREATE TABLE IF NOT EXISTS correction (event_id TEXT PRIMARY KEY, by_event_id TEXT NOT NULL) WITHOUT ROWID;";

const metricDefinitions = metrics.map((name) => `${name} INTEGER NOT NULL`).join(", ");

export const indexSchema = `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE project_group (id INTEGER PRIMARY KEY, project TEXT NOT NULL, team TEXT NOT NULL, organisation TEXT NOT NULL,
    UNIQUE (project, team, organisation));
  CREATE TABLE core_group (id INTEGER PRIMARY KEY, project TEXT NOT NULL, key TEXT NOT NULL, team TEXT NOT NULL,
    organisation TEXT NOT NULL, model TEXT NOT NULL, provider TEXT NOT NULL, operation TEXT NOT NULL, outcome TEXT NOT NULL,
    project_group INTEGER NOT NULL, UNIQUE (project, key, team, organisation, model, provider, operation, outcome));
  CREATE TABLE label_set (id INTEGER PRIMARY KEY, labels TEXT NOT NULL UNIQUE);
  CREATE TABLE label (set_id INTEGER NOT NULL, key TEXT NOT NULL, value_id INTEGER NOT NULL, PRIMARY KEY (set_id, key)) WITHOUT ROWID;
  CREATE TABLE label_value (id INTEGER PRIMARY KEY, key TEXT NOT NULL, value TEXT NOT NULL, UNIQUE (key, value));
  CREATE TABLE event (place INTEGER PRIMARY KEY, event_id TEXT NOT NULL, time_ms INTEGER NOT NULL, project TEXT NOT NULL,
    core_id INTEGER NOT NULL, set_id INTEGER NOT NULL, end_user TEXT NOT NULL, workflow_run TEXT NOT NULL,
    replaced INTEGER NOT NULL DEFAULT 0, ${metricDefinitions});
  CREATE TABLE payload (place INTEGER PRIMARY KEY, payload BLOB NOT NULL);
  CREATE UNIQUE INDEX event_by_id ON event (event_id);
  CREATE INDEX event_by_time ON event (time_ms);
  CREATE INDEX event_by_project ON event (project, time_ms);
  CREATE INDEX event_by_workflow ON event (workflow_run, time_ms) WHERE workflow_run <> '';
  ${cuts
    .flatMap((cut) =>
      widthsOf[cut].map((width) => {
        const columns = keyColumnsOf[cut].map(([name, type]) => `${name} ${type} NOT NULL`).join(", ");
        const key = keyColumnsOf[cut].map(([name]) => name).join(", ");
        return `CREATE TABLE ${cut}_${width} (${columns}, ${metricDefinitions}, PRIMARY KEY (${key})) WITHOUT ROWID;`;
      }),
    )
    .join("\n  ")}
`;
