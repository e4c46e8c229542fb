// The SQLite database from which UsageService answers. Made from the journal and never the truth: a database that is
// broken or of another version is thrown away and made again. Synchronous: lives in a thread of its own.
import { closeSync, openSync, rmSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import {
  type EventRow,
  type ListQuery,
  type Metric,
  metrics,
  type SumQuery,
  type SumRow,
  type Tail,
  type TailQuery,
} from "./index-query.ts";
import type { IndexedEvent } from "./indexed-event.ts";
import { floorTo, listSql, type Sql, sumSql, tailSql } from "./usage-sql.ts";

/** How far the journal was read: everything before `offset` in the segment `ordinal` of the life `bootId`. */
export type IndexCursor = { readonly ordinal: number; readonly bootId: string; readonly offset: number };

export type PlacedEvent = { readonly ordinal: number; readonly offset: number; readonly event: IndexedEvent };

const version = "2";
const metricColumns = metrics.join(", ");
const metricDefinitions = metrics.map((name) => `${name} INTEGER NOT NULL`).join(", ");
/** Narrow sums know no end users and no labels, of which there may be very many. */
const rollups = ["core_minute", "core_hour", "full_hour", "full_day", "full_month"] as const;
type Rollup = (typeof rollups)[number];
/** Group ids that are remembered; past it the memory starts anew. */
const groupsRememberedMax = 100_000;
/** Segments have less than 4 GiB, so a place is one number: ordinal times this, plus offset. */
const placeFactor = 1n << 32n;

const schema = `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE core_group (id INTEGER PRIMARY KEY, project TEXT NOT NULL, key TEXT NOT NULL, team TEXT NOT NULL,
    organisation TEXT NOT NULL, model TEXT NOT NULL, provider TEXT NOT NULL, operation TEXT NOT NULL, outcome TEXT NOT NULL,
    UNIQUE (project, key, team, organisation, model, provider, operation, outcome));
  CREATE TABLE full_group (id INTEGER PRIMARY KEY, core_id INTEGER NOT NULL, end_user TEXT NOT NULL, labels TEXT NOT NULL,
    UNIQUE (core_id, end_user, labels));
  CREATE TABLE label (full_id INTEGER NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (full_id, key)) WITHOUT ROWID;
  CREATE TABLE event (place INTEGER PRIMARY KEY, event_id TEXT NOT NULL, time_ms INTEGER NOT NULL, project TEXT NOT NULL,
    core_id INTEGER NOT NULL, full_id INTEGER NOT NULL, workflow_run TEXT NOT NULL, replaced INTEGER NOT NULL DEFAULT 0, ${metricDefinitions},
    payload BLOB NOT NULL);
  CREATE UNIQUE INDEX event_by_id ON event (event_id);
  CREATE INDEX event_by_time ON event (time_ms);
  CREATE INDEX event_by_project ON event (project, time_ms);
  CREATE INDEX event_by_workflow ON event (workflow_run, time_ms) WHERE workflow_run <> '';
  ${rollups
    .map(
      (name) =>
        `CREATE TABLE ${name} (bucket INTEGER NOT NULL, group_id INTEGER NOT NULL, ${metricDefinitions}, PRIMARY KEY (bucket, group_id)) WITHOUT ROWID;`,
    )
    .join("\n")}
`;

type MinuteSums = {
  readonly minuteMs: number;
  readonly group: { readonly core: number; readonly full: number };
  readonly values: bigint[];
};
type Sums = { readonly table: Rollup; readonly bucket: number; readonly group: number; readonly values: bigint[] };

export class IndexDatabase {
  readonly #database: DatabaseSync;
  readonly #insertEvent: StatementSync;
  readonly #insertLabel: StatementSync;
  readonly #upserts: Readonly<Record<Rollup, StatementSync>>;
  readonly #groups = new Map<string, { readonly core: number; readonly full: number }>();
  readonly #cursorOf: StatementSync;
  /** Added to the ordinals of a journal that was begun anew, so that places go on. */
  #ordinalBase: number;
  #cursor: IndexCursor | undefined;

  /** Opens the file; one that cannot be used is made anew, since the journal has what it held. */
  static open(path: string): IndexDatabase {
    try {
      return new IndexDatabase(path);
    } catch {
      return IndexDatabase.openAnew(path); // Broken, or of another version: which of the two makes no difference.
    }
  }

  /** Throws the file away. */
  static openAnew(path: string): IndexDatabase {
    for (const suffix of ["", "-wal", "-shm"]) rmSync(`${path}${suffix}`, { force: true });
    return new IndexDatabase(path);
  }

  private constructor(path: string) {
    closeSync(openSync(path, "a", 0o640)); // SQLite would make the file readable by everybody.
    this.#database = new DatabaseSync(path);
    try {
      this.#database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -16384");
      const tables = this.#database.prepare("SELECT COUNT(*) AS n FROM sqlite_schema").get();
      if (tables?.["n"] === 0) this.#database.exec(`BEGIN; ${schema} COMMIT`);
      this.#cursorOf = this.#database.prepare("SELECT value FROM meta WHERE name = ?");
      if (tables?.["n"] === 0) this.#setMeta("version", version);
      else if (this.#meta("version") !== version) throw new Error("the usage index is of another version");
      this.#ordinalBase = Number(this.#meta("ordinalBase") ?? "0");
      this.#cursor = readCursor(this.#meta("cursor"));
      const marks = (count: number): string => Array.from({ length: count }, () => "?").join(", ");
      this.#insertEvent = this.#database.prepare(
        `INSERT OR IGNORE INTO event (place, event_id, time_ms, project, core_id, full_id, workflow_run, payload, ${metricColumns}) VALUES (${marks(8 + metrics.length)})`,
      );
      this.#insertLabel = this.#database.prepare("INSERT OR IGNORE INTO label (full_id, key, value) VALUES (?, ?, ?)");
      const upsert = (table: Rollup): StatementSync =>
        this.#database.prepare(
          `INSERT INTO ${table} (bucket, group_id, ${metricColumns}) VALUES (${marks(2 + metrics.length)})
           ON CONFLICT (bucket, group_id) DO UPDATE SET ${metrics.map((name) => `${name} = ${name} + excluded.${name}`).join(", ")}`,
        );
      this.#upserts = {
        core_minute: upsert("core_minute"),
        core_hour: upsert("core_hour"),
        full_hour: upsert("full_hour"),
        full_day: upsert("full_day"),
        full_month: upsert("full_month"),
      };
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  get cursor(): IndexCursor | undefined {
    return this.#cursor;
  }

  /** The journal was begun anew (its ordinals are smaller than those seen): later events come behind the ones that are held. */
  restartOrdinals(): void {
    this.#ordinalBase += this.#cursor?.ordinal ?? 0;
    this.#setMeta("ordinalBase", String(this.#ordinalBase));
    this.#cursor = undefined;
  }

  /** Takes events in the order of the journal, all or none, and remembers how far it came. */
  apply(events: readonly PlacedEvent[], cursor: IndexCursor): void {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      const minutes = new Map<string, MinuteSums>();
      for (const placed of events) this.#take(placed, minutes);
      for (const { table, bucket, group, values } of toRollups(minutes)) {
        this.#upserts[table].run(bucket, group, ...values);
      }
      this.#setMeta("cursor", JSON.stringify(cursor));
      this.#database.exec("COMMIT");
    } catch (error) {
      this.#database.exec("ROLLBACK");
      this.#groups.clear(); // They may name rows that were rolled back.
      throw error;
    }
    this.#cursor = cursor;
  }

  sum(query: SumQuery): readonly SumRow[] {
    const width = query.groupBy.length + query.groupByLabels.length;
    return this.#all(sumSql(query)).map((row) => ({
      bucketMs: Number(row["b"]),
      values: Array.from({ length: width }, (_, index) => String(row[`v${index}`])),
      sums: toSums(row),
    }));
  }

  list(query: ListQuery): readonly EventRow[] {
    return this.#all(listSql(query)).map(toEventRow);
  }

  tail(query: TailQuery): Tail {
    const end = this.endPlace();
    const events = this.#all(tailSql(query)).map(toEventRow);
    return { events, end: events.length < query.limit ? end : (events.at(-1)?.place ?? end) };
  }

  /** Place behind which later events come. */
  endPlace(): bigint {
    return (
      BigInt(this.#ordinalBase + (this.#cursor?.ordinal ?? 0)) * placeFactor + BigInt(this.#cursor?.offset ?? 0) - 1n
    );
  }

  close(): void {
    this.#database.close();
  }

  #take({ ordinal, offset, event }: PlacedEvent, minutes: Map<string, MinuteSums>): void {
    const group = this.#groupOf(event);
    const place = BigInt(ordinal + this.#ordinalBase) * placeFactor + BigInt(offset);
    const values = metrics.map((name) => event.metrics[name]);
    const [project] = event.core;
    const { eventId, timeMs, workflowRun, payload } = event;
    const done = this.#insertEvent.run(
      place,
      eventId,
      timeMs,
      project,
      group.core,
      group.full,
      workflowRun,
      payload,
      ...values,
    );
    if (done.changes === 0) return; // Taken before: the journal was read again.
    addToMinute(minutes, timeMs, group, values);
    if (event.correctsEventId !== "") this.#replace(event.correctsEventId, minutes);
  }

  /** Takes the sums of a corrected event out again; an event that another instance wrote is not here. */
  #replace(eventId: string, minutes: Map<string, MinuteSums>): void {
    const row = this.#all({
      text: `SELECT time_ms, full_id, core_id, ${metricColumns} FROM event WHERE event_id = ? AND replaced = 0`,
      parameters: [eventId],
    })[0];
    if (row === undefined) return;
    this.#database.prepare("UPDATE event SET replaced = 1 WHERE event_id = ?").run(eventId);
    const taken = toSums(row);
    const group = { core: Number(row["core_id"]), full: Number(row["full_id"]) };
    addToMinute(
      minutes,
      Number(row["time_ms"]),
      group,
      metrics.map((name) => -taken[name]),
    );
  }

  #groupOf(event: IndexedEvent): { readonly core: number; readonly full: number } {
    const labels = JSON.stringify(event.labels);
    const key = JSON.stringify([event.core, event.endUser, labels]);
    const known = this.#groups.get(key);
    if (known !== undefined) return known;
    const core = this.#idOf(
      "core_group",
      ["project", "key", "team", "organisation", "model", "provider", "operation", "outcome"],
      event.core,
    );
    const full = this.#idOf("full_group", ["core_id", "end_user", "labels"], [core, event.endUser, labels]);
    for (const [name, value] of event.labels) this.#insertLabel.run(full, name, value);
    if (this.#groups.size >= groupsRememberedMax) this.#groups.clear();
    const group = { core, full };
    this.#groups.set(key, group);
    return group;
  }

  #idOf(table: "core_group" | "full_group", columns: readonly string[], values: readonly (string | number)[]): number {
    const where = columns.map((name) => `${name} = ?`).join(" AND ");
    const found = this.#database.prepare(`SELECT id FROM ${table} WHERE ${where}`).get(...values);
    if (found !== undefined) return Number(found["id"]);
    const marks = columns.map(() => "?").join(", ");
    const done = this.#database
      .prepare(`INSERT INTO ${table} (${columns.join(", ")}) VALUES (${marks})`)
      .run(...values);
    return Number(done.lastInsertRowid);
  }

  #all(sql: Sql): readonly Readonly<Record<string, unknown>>[] {
    const statement = this.#database.prepare(sql.text);
    statement.setReadBigInts(true);
    return statement.all(...sql.parameters);
  }

  #meta(name: string): string | undefined {
    const value = this.#cursorOf.get(name)?.["value"];
    return value === undefined ? undefined : String(value);
  }

  #setMeta(name: string, value: string): void {
    this.#database.prepare("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)").run(name, value);
  }
}

/** Each event is added once; the five rollups are made of the minutes of a batch, of which there are few. */
function addToMinute(
  minutes: Map<string, MinuteSums>,
  timeMs: number,
  group: { readonly core: number; readonly full: number },
  values: readonly bigint[],
): void {
  const minuteMs = floorTo("minute", timeMs);
  const key = `${minuteMs} ${group.full}`;
  const held = minutes.get(key);
  if (held === undefined) minutes.set(key, { minuteMs, group, values: [...values] });
  else addValues(held.values, values);
}

function toRollups(minutes: ReadonlyMap<string, MinuteSums>): Iterable<Sums> {
  const sums = new Map<string, Sums>();
  for (const { minuteMs, group, values } of minutes.values()) {
    add(sums, "core_minute", minuteMs, group.core, values);
    add(sums, "core_hour", floorTo("hour", minuteMs), group.core, values);
    add(sums, "full_hour", floorTo("hour", minuteMs), group.full, values);
    add(sums, "full_day", floorTo("day", minuteMs), group.full, values);
    add(sums, "full_month", floorTo("month", minuteMs), group.full, values);
  }
  return sums.values();
}

function add(sums: Map<string, Sums>, table: Rollup, bucket: number, group: number, values: readonly bigint[]): void {
  const key = `${table} ${bucket} ${group}`;
  const held = sums.get(key);
  if (held === undefined) {
    sums.set(key, { table, bucket, group, values: [...values] });
    return;
  }
  addValues(held.values, values);
}

function addValues(sums: bigint[], values: readonly bigint[]): void {
  for (let index = 0; index < values.length; index++) {
    const value = values[index];
    if (value !== undefined && value !== 0n) sums[index] = (sums[index] ?? 0n) + value;
  }
}

function readCursor(text: string | undefined): IndexCursor | undefined {
  if (text === undefined) return undefined;
  const parsed: unknown = JSON.parse(text);
  if (typeof parsed !== "object" || parsed === null) return undefined;
  if (!("ordinal" in parsed && "bootId" in parsed && "offset" in parsed)) return undefined;
  return { ordinal: Number(parsed.ordinal), bootId: String(parsed.bootId), offset: Number(parsed.offset) };
}

function toSums(row: Readonly<Record<string, unknown>>): Readonly<Record<Metric, bigint>> {
  const of = (name: Metric): bigint => {
    const value = row[name];
    return typeof value === "bigint" ? value : 0n;
  };
  return {
    requests: of("requests"),
    errors: of("errors"),
    cache_hits: of("cache_hits"),
    input_tokens: of("input_tokens"),
    output_tokens: of("output_tokens"),
    cache_read_tokens: of("cache_read_tokens"),
    cache_write_tokens: of("cache_write_tokens"),
    reasoning_tokens: of("reasoning_tokens"),
    cost: of("cost"),
    saved: of("saved"),
    duration_ms: of("duration_ms"),
    reported_cost: of("reported_cost"),
    compared_cost: of("compared_cost"),
  };
}

function toEventRow(row: Readonly<Record<string, unknown>>): EventRow {
  const { place, time_ms: timeMs, payload } = row;
  if (typeof place !== "bigint" || !(payload instanceof Uint8Array)) throw new Error("the usage index holds a bad row");
  return { place, timeMs: Number(timeMs), payload };
}
