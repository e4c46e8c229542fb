// The SQLite database from which UsageService answers. Made from the journal and never the truth: a database that is
// broken or of another version is thrown away and made again. Synchronous: lives in a thread of its own.
import { closeSync, openSync, rmSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { badRow } from "./bad-row.ts";
import { blockRowsUsual } from "./block.ts";
import { ColumnBlocks } from "./column-blocks.ts";
import { type FoundEvent, findNewest, findNext } from "./find-events.ts";
import {
  type EventRow,
  type EventWithCorrection,
  type ListQuery,
  mapMetrics,
  type SumQuery,
  type SumRow,
  type Tail,
  type TailQuery,
} from "./index-query.ts";
import { indexSchema, indexVersion, pageBytes } from "./index-schema.ts";
import { labelSource, type NameSource } from "./index-source.ts";
import { type IndexedEvent, toIndexedEvent } from "./indexed-event.ts";
import { NameBook } from "./name-book.ts";
import { type BlockRow, OpenBlock } from "./open-block.ts";
import { createScanScratch } from "./scan-scratch.ts";
import { type EventSource, sumEvents } from "./sum-events.ts";

/** How far the journal was read: everything before `offset` in the segment `ordinal` of the life `bootId`. */
export type IndexCursor = { readonly ordinal: number; readonly bootId: string; readonly offset: number };

export type PlacedEvent = { readonly ordinal: number; readonly offset: number; readonly event: IndexedEvent };

/** An answer that is made in steps of some milliseconds; what is recorded between them is not in it. */
export type InSteps<Answer> = Generator<undefined, Answer, undefined>;

/** Segments have less than 4 GiB, so a place is one number: ordinal times this, plus offset. */
const placeFactor = 1n << 32n;

export class IndexDatabase {
  readonly #database: DatabaseSync;
  readonly #insertEvent: StatementSync;
  readonly #insertPayload: StatementSync;
  readonly #selectPayload: StatementSync;
  readonly #placeOf: StatementSync;
  readonly #setReplaced: StatementSync;
  readonly #whereabouts: StatementSync;
  readonly #getMeta: StatementSync;
  readonly #putMeta: StatementSync;
  readonly #names: NameBook;
  readonly #blocks: ColumnBlocks;
  readonly #scratch = createScanScratch();
  readonly #blockRows: number;
  #open: OpenBlock;
  /** Added to the ordinals of a journal that was begun anew, so that places go on. */
  #ordinalBase: number;
  #cursor: IndexCursor | undefined;

  /** Opens the file, with so many events to a block; one that cannot be used is made anew, since the journal has what it held. */
  static open(path: string, blockRows = blockRowsUsual): IndexDatabase {
    try {
      return new IndexDatabase(path, blockRows);
    } catch {
      return IndexDatabase.openAnew(path, blockRows); // Broken, or of another version: which of the two makes no difference.
    }
  }

  /** Throws the file away. */
  static openAnew(path: string, blockRows = blockRowsUsual): IndexDatabase {
    for (const suffix of ["", "-wal", "-shm"]) rmSync(`${path}${suffix}`, { force: true });
    return new IndexDatabase(path, blockRows);
  }

  private constructor(path: string, blockRows: number) {
    this.#blockRows = blockRows;
    closeSync(openSync(path, "a", 0o640)); // SQLite would make the file readable by everybody.
    const database = new DatabaseSync(path);
    this.#database = database;
    try {
      database.exec(
        `PRAGMA page_size = ${pageBytes}; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -4096`,
      );
      const isNew = database.prepare("SELECT COUNT(*) AS n FROM sqlite_schema").get()?.["n"] === 0;
      if (isNew) database.exec(`BEGIN; ${indexSchema} COMMIT`);
      this.#getMeta = database.prepare("SELECT value FROM meta WHERE name = ?");
      this.#putMeta = database.prepare("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)");
      if (isNew) this.#putMeta.run("version", indexVersion);
      else if (this.#meta("version") !== indexVersion) throw new Error("the usage index is of another version");
      this.#ordinalBase = Number(this.#meta("ordinalBase") ?? "0");
      this.#cursor = readCursor(this.#meta("cursor"));
      this.#insertEvent = database.prepare("INSERT OR IGNORE INTO event (event_id, place) VALUES (?, ?)");
      this.#insertPayload = database.prepare("INSERT INTO payload (place, payload) VALUES (?, ?)");
      this.#selectPayload = database.prepare("SELECT payload FROM payload WHERE place = ?");
      this.#placeOf = database.prepare("SELECT place FROM event WHERE event_id = ? AND replaced_by IS NULL");
      this.#placeOf.setReadBigInts(true);
      this.#setReplaced = database.prepare("UPDATE event SET replaced_by = ? WHERE event_id = ?");
      this.#whereabouts = database.prepare("SELECT place, replaced_by FROM event WHERE event_id = ?");
      this.#whereabouts.setReadBigInts(true);
      this.#names = new NameBook(database);
      this.#blocks = new ColumnBlocks(database);
      this.#open = this.#reopenedBlock();
    } catch (error) {
      database.close();
      throw error;
    }
  }

  get cursor(): IndexCursor | undefined {
    return this.#cursor;
  }

  /** The journal was begun anew (its ordinals are smaller than those seen): later events come behind the ones that are held. */
  restartOrdinals(): void {
    this.#ordinalBase += this.#cursor?.ordinal ?? 0;
    this.#putMeta.run("ordinalBase", String(this.#ordinalBase));
    this.#cursor = undefined;
  }

  /** Takes events in the order of the journal, all or none, and remembers how far it came. */
  apply(events: readonly PlacedEvent[], cursor: IndexCursor): void {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      for (const placed of events) this.#take(placed);
      this.#putMeta.run("cursor", JSON.stringify(cursor));
      this.#database.exec("COMMIT");
    } catch (error) {
      this.#database.exec("ROLLBACK");
      this.#names.forget();
      this.#blocks.reload();
      this.#open = this.#reopenedBlock();
      throw error;
    }
    this.#cursor = cursor;
  }

  /** One row more than `limit` when there are more. Throws `QuestionFailure`. */
  sum(query: SumQuery): InSteps<readonly SumRow[]> {
    return sumEvents(query, this.#source());
  }

  /** Newest first, one more than `limit` when there are more. */
  *list(query: ListQuery): InSteps<readonly EventRow[]> {
    const found = yield* findNewest(query, this.#source());
    return this.#withPayloads(found);
  }

  *tail(query: TailQuery): InSteps<Tail> {
    const end = this.endPlace();
    const events = this.#withPayloads(yield* findNext(query, this.#source()));
    return { events, end: events.length < query.limit ? end : (events.at(-1)?.place ?? end) };
  }

  /** An event by its id, and the one that has replaced it; `undefined`: this journal has none. */
  find(eventId: string): EventWithCorrection | undefined {
    const row = this.#whereabouts.get(eventId);
    if (typeof row?.["place"] !== "bigint") return undefined;
    const { place, replaced_by: by } = row;
    return { event: this.#payloadAt(place), correction: typeof by === "bigint" ? this.#payloadAt(by) : undefined };
  }

  /** Place behind which later events come. */
  endPlace(): bigint {
    return this.#placeAt(this.#cursor?.ordinal ?? 0, this.#cursor?.offset ?? 0) - 1n;
  }

  close(): void {
    this.#database.close();
  }

  #source(): EventSource {
    const blocks = [...this.#blocks.all, this.#open.snapshot()];
    return { blocks, names: this.#names, scratch: this.#scratch };
  }

  #withPayloads(found: readonly FoundEvent[]): readonly EventRow[] {
    return found.map(({ timeMs, place }) => ({ timeMs, place, payload: this.#payloadAt(place) }));
  }

  #take({ ordinal, offset, event }: PlacedEvent): void {
    const place = this.#placeAt(ordinal, offset);
    if (this.#insertEvent.run(event.eventId, place).changes === 0) return; // Taken before: the journal was read again.
    this.#insertPayload.run(place, event.payload);
    if (!this.#open.hasRoomFor(place)) {
      this.#blocks.add(this.#open);
      this.#open = new OpenBlock(this.#blockRows);
    }
    this.#open.append(this.#rowOf(event, place));
    if (event.correctsEventId !== "") this.#replace(event.correctsEventId, place);
  }

  /** Takes the sums of a corrected event out again; an event that another instance wrote is not here. */
  #replace(eventId: string, correction: bigint): void {
    const place = this.#placeOf.get(eventId)?.["place"];
    if (typeof place !== "bigint") return;
    this.#setReplaced.run(correction, eventId);
    this.#open.append(this.#takingOut(place, correction));
  }

  /** Stands beside the correction, and at the time and under the names of the event that it takes out of the sums. */
  #takingOut(place: bigint, correction: bigint): BlockRow {
    const row = this.#rowOf(toIndexedEvent(this.#payloadAt(place)), correction);
    return { ...row, metrics: mapMetrics((name) => -row.metrics[name]) };
  }

  /** The newest block, which is in memory only, from the bytes of the events that lie behind the blocks that are full. */
  #reopenedBlock(): OpenBlock {
    const open = new OpenBlock(this.#blockRows);
    const after = this.#blocks.all.at(-1)?.lastPlace ?? -1n;
    const replaced = this.#database.prepare("SELECT place, replaced_by FROM event WHERE replaced_by > ?");
    replaced.setReadBigInts(true);
    const byCorrection = Map.groupBy(replaced.all(after), (row) => row["replaced_by"]);
    const newest = this.#database.prepare("SELECT place, payload FROM payload WHERE place > ? ORDER BY place");
    newest.setReadBigInts(true);
    for (const { place, payload } of newest.iterate(after)) {
      if (typeof place !== "bigint" || !(payload instanceof Uint8Array)) throw badRow();
      open.append(this.#rowOf(toIndexedEvent(payload), place));
      for (const row of byCorrection.get(place) ?? []) {
        if (typeof row["place"] === "bigint") open.append(this.#takingOut(row["place"], place));
      }
    }
    return open;
  }

  #rowOf({ timeMs, names, labels, metrics }: IndexedEvent, place: bigint): BlockRow {
    const idOf = (source: NameSource): number => this.#names.idOf(source, names[source]);
    return {
      timeMs,
      place,
      names: {
        project: idOf("project"),
        key: idOf("key"),
        team: idOf("team"),
        organisation: idOf("organisation"),
        model: idOf("model"),
        provider: idOf("provider"),
        operation: idOf("operation"),
        outcome: idOf("outcome"),
        end_user: idOf("end_user"),
        workflow_run: idOf("workflow_run"),
      },
      labels: labels.map(([key, value]) => [key, this.#names.idOf(labelSource(key), value)]),
      metrics,
    };
  }

  #placeAt(ordinal: number, offset: number): bigint {
    return BigInt(ordinal + this.#ordinalBase) * placeFactor + BigInt(offset);
  }

  #payloadAt(place: bigint): Uint8Array {
    const payload = this.#selectPayload.get(place)?.["payload"];
    if (!(payload instanceof Uint8Array)) throw badRow();
    return payload;
  }

  #meta(name: string): string | undefined {
    const value = this.#getMeta.get(name)?.["value"];
    return value === undefined ? undefined : String(value);
  }
}

function readCursor(text: string | undefined): IndexCursor | undefined {
  if (text === undefined) return undefined;
  const parsed: unknown = JSON.parse(text);
  if (typeof parsed !== "object" || parsed === null) return undefined;
  if (!("ordinal" in parsed && "bootId" in parsed && "offset" in parsed)) return undefined;
  return { ordinal: Number(parsed.ordinal), bootId: String(parsed.bootId), offset: Number(parsed.offset) };
}
