// The SQLite database from which UsageService answers. Made from the journal and never the truth: a database that is
// broken or of another version is thrown away and made again. Synchronous: lives in a thread of its own.
import { closeSync, openSync, rmSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import {
  type EventRow,
  type FoundEvent,
  type ListQuery,
  type Metric,
  metrics,
  type SumQuery,
  type SumRow,
  type Tail,
  type TailQuery,
} from "./index-query.ts";
import { correctionSchema, cuts, indexSchema, indexVersion, keyColumnsOf, widthsOf } from "./index-schema.ts";
import type { IndexedEvent } from "./indexed-event.ts";
import { type Belongs, RollupBatch } from "./rollup-batch.ts";
import { sumInPieces } from "./sum-in-pieces.ts";
import { listSql, type Sql, sumSql, tailSql, type UserRange, usersSql } from "./usage-sql.ts";

/** How far the journal was read: everything before `offset` in the segment `ordinal` of the life `bootId`. */
export type IndexCursor = { readonly ordinal: number; readonly bootId: string; readonly offset: number };

export type PlacedEvent = { readonly ordinal: number; readonly offset: number; readonly event: IndexedEvent };

const metricColumns = metrics.join(", ");
/** Ids that are remembered of a kind; past it the memory starts anew. */
const rememberedMax = 50_000;
/** Segments have less than 4 GiB, so a place is one number: ordinal times this, plus offset. */
const placeFactor = 1n << 32n;

/** Ids of rows that many events share. */
type Core = Pick<Belongs, "projectGroup" | "core">;
type LabelSet = Pick<Belongs, "labelValues"> & { readonly labelSet: number };

export class IndexDatabase {
  readonly #database: DatabaseSync;
  readonly #insertEvent: StatementSync;
  readonly #insertPayload: StatementSync;
  /** By the name of the table. */
  readonly #upserts = new Map<string, StatementSync>();
  readonly #cores = new Map<string, Core>();
  readonly #labelSets = new Map<string, LabelSet>();
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
      if (tables?.["n"] === 0) this.#database.exec(`BEGIN; ${indexSchema} COMMIT`);
      this.#cursorOf = this.#database.prepare("SELECT value FROM meta WHERE name = ?");
      if (tables?.["n"] === 0) this.#setMeta("version", indexVersion);
      else if (this.#meta("version") !== indexVersion) throw new Error("the usage index is of another version");
      this.#database.exec(correctionSchema);
      this.#ordinalBase = Number(this.#meta("ordinalBase") ?? "0");
      this.#cursor = readCursor(this.#meta("cursor"));
      const marks = (count: number): string => Array.from({ length: count }, () => "?").join(", ");
      this.#insertEvent = this.#database.prepare(
        `INSERT OR IGNORE INTO event (place, event_id, time_ms, project, core_id, set_id, end_user, workflow_run, ${metricColumns}) VALUES (${marks(8 + metrics.length)})`,
      );
      this.#insertPayload = this.#database.prepare("INSERT INTO payload (place, payload) VALUES (?, ?)");
      for (const cut of cuts) {
        const key = keyColumnsOf[cut].map(([name]) => name).join(", ");
        for (const width of widthsOf[cut]) {
          const upsert = `INSERT INTO ${cut}_${width} (${key}, ${metricColumns})
            VALUES (${marks(keyColumnsOf[cut].length + metrics.length)})
            ON CONFLICT (${key}) DO UPDATE SET ${metrics.map((name) => `${name} = ${name} + excluded.${name}`).join(", ")}`;
          this.#upserts.set(`${cut}_${width}`, this.#database.prepare(upsert));
        }
      }
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
      const batch = new RollupBatch();
      for (const placed of events) this.#take(placed, batch);
      for (const { cut, width, key, values } of batch.rows()) {
        this.#upserts.get(`${cut}_${width}`)?.run(...key, ...values);
      }
      this.#setMeta("cursor", JSON.stringify(cursor));
      this.#database.exec("COMMIT");
    } catch (error) {
      this.#database.exec("ROLLBACK");
      this.#cores.clear(); // They may name rows that were rolled back.
      this.#labelSets.clear();
      throw error;
    }
    this.#cursor = cursor;
  }

  /** One row more than `limit` when there are more. */
  sum(query: SumQuery): readonly SumRow[] {
    return sumInPieces(query, {
      sum: (piece, users) => this.#sumPiece(piece, users),
      times: () => this.#times(),
      users: (range, count) => this.#all(usersSql(range, count)).map((row) => String(row["end_user"])),
    });
  }

  list(query: ListQuery): readonly EventRow[] {
    return this.#all(listSql(query)).map(toEventRow);
  }

  tail(query: TailQuery): Tail {
    const end = this.endPlace();
    const events = this.#all(tailSql(query)).map(toEventRow);
    return { events, end: events.length < query.limit ? end : (events.at(-1)?.place ?? end) };
  }

  /** An event by its id; `undefined`: this journal has none. */
  find(eventId: string): FoundEvent | undefined {
    const event = this.#payloadOf(eventId);
    if (event === undefined) return undefined;
    const [row] = this.#all({ text: "SELECT by_event_id FROM correction WHERE event_id = ?", parameters: [eventId] });
    return { event, correction: row === undefined ? undefined : this.#payloadOf(String(row["by_event_id"])) };
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

  #sumPiece(query: SumQuery, users: UserRange | undefined): readonly SumRow[] {
    const width = query.groupBy.length + query.groupByLabels.length;
    return this.#all(sumSql(query, users)).map((row) => ({
      bucketMs: Number(row["b"]),
      values: Array.from({ length: width }, (_, index) => String(row[`v${index}`])),
      sums: toSums(row),
    }));
  }

  #times(): { readonly firstMs: number; readonly lastMs: number } | undefined {
    // Two questions: each is the end of an index, and both in one would be a scan of it.
    const [first] = this.#all({ text: "SELECT MIN(time_ms) AS t FROM event", parameters: [] });
    const [last] = this.#all({ text: "SELECT MAX(time_ms) AS t FROM event", parameters: [] });
    if (typeof first?.["t"] !== "bigint") return undefined;
    return { firstMs: Number(first["t"]), lastMs: Number(last?.["t"]) };
  }

  #payloadOf(eventId: string): Uint8Array | undefined {
    const text = "SELECT p.payload FROM event e JOIN payload p ON p.place = e.place WHERE e.event_id = ?";
    const payload = this.#all({ text, parameters: [eventId] })[0]?.["payload"];
    return payload instanceof Uint8Array ? payload : undefined;
  }

  #take({ ordinal, offset, event }: PlacedEvent, batch: RollupBatch): void {
    const { projectGroup, core } = this.#coreOf(event.core);
    const { labelSet, labelValues } = this.#labelSetOf(event.labels);
    const place = BigInt(ordinal + this.#ordinalBase) * placeFactor + BigInt(offset);
    const values = metrics.map((name) => event.metrics[name]);
    const [project] = event.core;
    const { eventId, timeMs, endUser, workflowRun } = event;
    const done = this.#insertEvent.run(
      place,
      eventId,
      timeMs,
      project,
      core,
      labelSet,
      endUser,
      workflowRun,
      ...values,
    );
    if (done.changes === 0) return; // Taken before: the journal was read again.
    this.#insertPayload.run(place, event.payload);
    batch.add({ timeMs, projectGroup, core, endUser, labelValues }, values);
    if (event.correctsEventId !== "") this.#replace(event.correctsEventId, eventId, batch);
  }

  /**
   * Takes the sums of a corrected event out again. It stands before its correction, in the same journal; an event whose
   * segment was deleted before this index was made is in no sum, and there is nothing to take out.
   */
  #replace(eventId: string, byEventId: string, batch: RollupBatch): void {
    this.#database
      .prepare("INSERT OR REPLACE INTO correction (event_id, by_event_id) VALUES (?, ?)")
      .run(eventId, byEventId);
    const row = this.#all({
      text: `SELECT e.time_ms, e.end_user, e.core_id, e.set_id, c.project_group, ${metricColumns}
        FROM event e JOIN core_group c ON c.id = e.core_id WHERE e.event_id = ? AND e.replaced = 0`,
      parameters: [eventId],
    })[0];
    if (row === undefined) return;
    this.#database.prepare("UPDATE event SET replaced = 1 WHERE event_id = ?").run(eventId);
    const labels = { text: "SELECT value_id FROM label WHERE set_id = ?", parameters: [Number(row["set_id"])] };
    const taken = toSums(row);
    const belongs: Belongs = {
      timeMs: Number(row["time_ms"]),
      projectGroup: Number(row["project_group"]),
      core: Number(row["core_id"]),
      endUser: String(row["end_user"]),
      labelValues: this.#all(labels).map((label) => Number(label["value_id"])),
    };
    batch.add(
      belongs,
      metrics.map((name) => -taken[name]),
    );
  }

  #coreOf(names: IndexedEvent["core"]): Core {
    const key = JSON.stringify(names);
    const known = this.#cores.get(key);
    if (known !== undefined) return known;
    const [project, keyId, team, organisation, model, provider, operation, outcome] = names;
    const projectGroup = this.#idOf("project_group", { project, team, organisation }).id;
    const columns = { project, key: keyId, team, organisation, model, provider, operation, outcome };
    const core = { projectGroup, core: this.#idOf("core_group", columns, { project_group: projectGroup }).id };
    remember(this.#cores, key, core);
    return core;
  }

  #labelSetOf(labels: IndexedEvent["labels"]): LabelSet {
    const key = JSON.stringify(labels);
    const known = this.#labelSets.get(key);
    if (known !== undefined) return known;
    const labelValues = labels.map(([name, value]) => this.#idOf("label_value", { key: name, value }).id);
    const { id, isNew } = this.#idOf("label_set", { labels: key });
    if (isNew) {
      const insert = this.#database.prepare("INSERT INTO label (set_id, key, value_id) VALUES (?, ?, ?)");
      for (const [index, [name]] of labels.entries()) insert.run(id, name, labelValues[index] ?? 0);
    }
    const set = { labelSet: id, labelValues };
    remember(this.#labelSets, key, set);
    return set;
  }

  /** The row with these columns, which is made when there is none; `more` is what else a new row has. */
  #idOf(
    table: "project_group" | "core_group" | "label_set" | "label_value",
    columns: Readonly<Record<string, string>>,
    more: Readonly<Record<string, number>> = {},
  ): { readonly id: number; readonly isNew: boolean } {
    const where = Object.keys(columns).map((name) => `${name} = ?`);
    const values = Object.values(columns);
    const found = this.#database.prepare(`SELECT id FROM ${table} WHERE ${where.join(" AND ")}`).get(...values);
    if (found !== undefined) return { id: Number(found["id"]), isNew: false };
    const row = { ...columns, ...more };
    const names = Object.keys(row);
    const marks = names.map(() => "?").join(", ");
    const insert = this.#database.prepare(`INSERT INTO ${table} (${names.join(", ")}) VALUES (${marks})`);
    return { id: Number(insert.run(...Object.values(row)).lastInsertRowid), isNew: true };
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

function remember<Value>(memory: Map<string, Value>, key: string, value: Value): void {
  if (memory.size >= rememberedMax) memory.clear();
  memory.set(key, value);
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
