// The memory of what every call consumed: START before a provider is called, FINAL before the answer ends, both durable,
// then published until NATS has acknowledged. Satisfies the pipeline's `Ledger` port.
import { randomUUID } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type Usage, type UsageEvent, UsageEventSchema, UsageSchema } from "../contract.ts";
import { LiveTable } from "../domain/live-table.ts";
import { compileEncoder } from "../encoding/compile-encoder.ts";
import { toEventHead } from "./event-head.ts";
import { type Checkpoint, readCheckpoint, writeCheckpoint } from "./journal/checkpoint.ts";
import { type FolderLock, lockFolder } from "./journal/folder-lock.ts";
import { recordType } from "./journal/frame.ts";
import { Journal, type JournalEntry, type JournalOwner, type Room } from "./journal/journal.ts";
import { type Durability, type JournalFiles, journalFiles } from "./journal/journal-files.ts";
import { isBefore, type Place } from "./journal/record.ts";
import { type Recovered, recover } from "./journal/recover.ts";
import type { Segment } from "./journal/segment.ts";
import { type RepriceLost, toLostEvent } from "./lost-event.ts";
import { notTaken, Outbox } from "./outbox.ts";
import { ReaderFloor } from "./reader-floor.ts";

const encodeEvent = compileEncoder(UsageEventSchema);

export type LedgerLog = {
  /** An operator should know; the ledger goes on. `facts` holds no content and no secret. */
  readonly warn: (message: string, facts: Readonly<Record<string, unknown>>) => void;
  readonly info: (message: string, facts: Readonly<Record<string, unknown>>) => void;
};

export type LedgerOptions = {
  /** Folder of the segments; made when absent. One process at a time. */
  readonly folder: string;
  /** `gateway_instance` of every event. */
  readonly instance: string;
  readonly durability: Durability;
  /** How long segments are kept after everything in them was delivered. */
  readonly retainMs: number;
  /** Most bytes of the journal. At the limit delivered segments go early, and then calls are refused. */
  readonly maxBytes: number;
  /** `outbox`: events wait for a publisher. `keep`: nobody publishes, and segments age from their last write. */
  readonly delivery: "outbox" | "keep";
  /** What the estimated usage of a lost call costs; `undefined`: not known. */
  readonly reprice: RepriceLost;
  /** The disk has failed: nothing is taken any more, and the process should end. */
  readonly onPoisoned: (error: Error) => void;
  /** Milliseconds that a group of records took until it was durable. */
  readonly onWrite?: ((milliseconds: number, records: number) => void) | undefined;
  readonly log: LedgerLog;
  /** Unix milliseconds. */
  readonly now: () => number;
  readonly segmentBytesMax?: number | undefined;
  readonly files?: JournalFiles | undefined;
};

/** Numbers for the metrics page. */
export type LedgerFigures = {
  readonly journalBytes: number;
  /** Events not acknowledged by NATS. */
  readonly outboxDepth: number;
  readonly oldestUnackedMs: number;
  /** Calls of earlier lives that were closed with outcome LOST at the start. */
  readonly lostEvents: number;
  /** Ends of calls that could not be written yet. */
  readonly owedEvents: number;
  /** 1 when the disk has failed. */
  readonly poisoned: number;
};

export type DurableSegment = Pick<Segment, "ordinal" | "bootId" | "path" | "bytes">;

/** `startBytes`: of the message for which the journal keeps room; `undefined`: of an earlier life. `offset`: where its START is not before. */
type OpenCall = { readonly segment: Segment; readonly offset: number; readonly startBytes: number | undefined };

type Note = { readonly event: UsageEvent; readonly payload: Uint8Array };

const maintenanceMs = 1_000;
/** Ends of calls that are kept in memory while the disk is full. */
const owedMax = 10_000;
/** A checkpoint is written each time that this much more is settled: about what a start after a crash reads. */
const checkpointBytes = 8 << 20;
/** Share of the size limit from which delivered segments are deleted early. */
const urgentShare = 0.9;
const hashedCharacters = 8;

/** By the end of the id: there it is random. */
function hashEventId(eventId: string): number {
  let hash = 0;
  for (let at = Math.max(0, eventId.length - hashedCharacters); at < eventId.length; at++) {
    hash = Math.imul(hash, 31) + eventId.charCodeAt(at);
  }
  return hash;
}

/** Opens the folder, closes the calls of earlier lives, and is ready to take new ones. Throws an `Error` of one line. */
export async function openLedger(options: LedgerOptions): Promise<UsageLedger> {
  const files = options.files ?? journalFiles;
  let lock: FolderLock | undefined;
  try {
    await mkdir(options.folder, { recursive: true, mode: 0o750 });
    lock = await lockFolder(options.folder);
    const recovered = await recover(files, options.folder, await checkpointFor(options, files));
    const ledger = new UsageLedger(options, files, lock);
    await ledger.begin(recovered);
    return ledger;
  } catch (error) {
    await lock?.release();
    const because = error instanceof Error ? error.message : String(error);
    throw new Error(`the usage journal cannot be opened in ${options.folder}: ${because}`, { cause: error });
  }
}

/** One that kept no track of delivery says nothing to a life that must know what is to be delivered. */
async function checkpointFor(
  { folder, delivery }: LedgerOptions,
  files: JournalFiles,
): Promise<Checkpoint | undefined> {
  const checkpoint = await readCheckpoint(files, folder);
  return delivery === "keep" || checkpoint?.delivery === "outbox" ? checkpoint : undefined;
}

export class UsageLedger implements JournalOwner<Note> {
  readonly bootId = randomUUID();
  readonly outbox: Outbox;
  readonly #options: LedgerOptions;
  readonly #files: JournalFiles;
  readonly #lock: FolderLock;
  #journal: Journal<Note> | undefined;
  #nextSequence = 1;
  #lostEvents = 0;
  /** The START of each call that has not ended. */
  readonly #open = new LiveTable<string, OpenCall>(hashEventId);
  readonly #owed = new Map<string, UsageEvent>();
  readonly #listeners = new Set<() => void>();
  #floorOrdinal: () => number = () => Number.POSITIVE_INFINITY;
  readonly #floor = new ReaderFloor();
  #maintenance: NodeJS.Timeout | undefined;
  #pruning = false;
  /** What the last checkpoint calls settled; before the first one of this life, where its own records begin. */
  #checkpointed: Place = { ordinal: 0, offset: 0 };
  #checkpointing: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: LedgerOptions, files: JournalFiles, lock: FolderLock) {
    this.#options = options;
    this.#files = files;
    this.#lock = lock;
    this.outbox = new Outbox({
      files,
      writeDelivered: (places) => this.#journal?.appendDelivered(places),
      onUnreadable: (count, path) =>
        options.log.warn("usage events cannot be read again from the journal", { count, path }),
    });
  }

  /** Called once by `openLedger`: opens this life's segment and ends the calls that earlier lives left open. */
  async begin(recovered: Recovered): Promise<void> {
    const { folder, durability, retainMs, maxBytes, segmentBytesMax, now, log } = this.#options;
    const options = {
      folder,
      bootId: this.bootId,
      files: this.#files,
      durability,
      retainMs,
      maxBytes,
      segmentBytesMax,
      now,
    };
    const journal = await Journal.open<Note>(options, recovered.segments, this);
    this.#journal = journal;
    for (const segment of recovered.segments) {
      const offsets = recovered.undelivered.get(segment.ordinal);
      if (this.#options.delivery === "keep") segment.undelivered = 0;
      else if (offsets !== undefined) this.outbox.addBacklog(segment, offsets, segment.lastWriteMs);
    }
    if (recovered.tornBytes > 0)
      log.warn("the usage journal ends in a torn record of an earlier life", { bytes: recovered.tornBytes });
    await this.#closeUnfinished(recovered);
    // What was read took time: the next start need not take it again.
    if (recovered.readBytes < checkpointBytes) this.#checkpointed = journal.durablePlace;
    this.#maintenance = setInterval(() => this.#maintain(), maintenanceMs);
    this.#maintenance.unref();
  }

  start(event: UsageEvent): Promise<void> {
    event.gatewayInstance = this.#options.instance;
    event.instanceBootId = this.bootId;
    const payload = encodeEvent(event);
    try {
      return this.#opened.append(recordType.start, event.eventId, { event, payload }, payload);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  progress(eventId: string, usage: Usage): void {
    if (this.#open.has(eventId)) {
      this.#opened.appendLazily(recordType.progress, eventId, toBinary(UsageSchema, usage));
    }
  }

  finish(event: UsageEvent): Promise<void> {
    try {
      return this.#appendFinal(event);
    } catch (error) {
      this.#owe(event);
      return Promise.reject(error);
    }
  }

  /**
   * Writes an event that replaces another one: a FINAL without a START. One that the disk does not take is forgotten, not
   * owed: who asked for it is told so, and asks again. It takes no room that the ends of calls need.
   */
  correct(event: UsageEvent): Promise<void> {
    try {
      return this.#appendFinal(event, "free");
    } catch (error) {
      return Promise.reject(error);
    }
  }

  get figures(): LedgerFigures {
    return {
      journalBytes: this.#opened.totalBytes,
      outboxDepth: this.outbox.depth,
      oldestUnackedMs: this.outbox.oldestMs(this.#options.now()),
      lostEvents: this.#lostEvents,
      owedEvents: this.#owed.size,
      poisoned: this.#opened.poisoned ? 1 : 0,
    };
  }

  /** True while calls can be recorded: what readiness asks. */
  get healthy(): boolean {
    return !this.#opened.poisoned && this.#closing === undefined;
  }

  /** The segments and how far each is durable, oldest first. */
  get segments(): readonly DurableSegment[] {
    return this.#opened.segments.map(({ ordinal, bootId, path, bytes }) => ({ ordinal, bootId, path, bytes }));
  }

  /** Calls `listener` each time that events became durable; returns what ends it. */
  onAdvance(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Keeps segments from this ordinal on, whatever their age: a reader has not seen them yet. */
  keepFrom(floorOrdinal: () => number): void {
    this.#floorOrdinal = floorOrdinal;
  }

  /** Writes what waits and gives the folder free. Later calls of `start` and `finish` reject. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  onDurable(entries: readonly JournalEntry<Note>[], segment: Segment, baseOffset: number): void {
    const durableAtMs = this.#options.now();
    for (const { type, eventId, note, at } of entries) {
      if (type === recordType.start) {
        segment.open += 1;
        this.#open.set(eventId, { segment, offset: baseOffset + at, startBytes: note.payload.length });
        continue;
      }
      this.#ended(eventId);
      if (this.#options.delivery === "keep") continue;
      segment.undelivered += 1;
      const head = toEventHead(note.event);
      this.outbox.add({ head, payload: note.payload, segment, offset: baseOffset + at, durableAtMs, seat: notTaken });
    }
    for (const listener of this.#listeners) listener();
  }

  onRefused(entries: readonly JournalEntry<Note>[]): void {
    const finals = entries.filter((entry) => entry.type === recordType.final);
    const first = finals[0];
    // The refused records are the newest of all: their numbers go to the next ones, so that there is no gap.
    if (first !== undefined) this.#nextSequence = Number(first.note.event.instanceSequence);
    for (const { note } of finals) if (note.event.correctsEventId === "") this.#owe(note.event);
    for (const { type, note } of entries) if (type === recordType.start) this.#opened.callEnded(note.payload.length);
  }

  onPoisoned(error: Error): void {
    this.#options.log.warn("the usage journal has failed: no call is taken until a restart", { error: error.message });
    this.#options.onPoisoned(error);
  }

  onWrite(milliseconds: number, records: number): void {
    this.#options.onWrite?.(milliseconds, records);
  }

  get #opened(): Journal<Note> {
    if (this.#journal === undefined) throw new Error("the ledger was not begun");
    return this.#journal;
  }

  #appendFinal(event: UsageEvent, room: Room = "any"): Promise<void> {
    event.gatewayInstance = this.#options.instance;
    event.instanceBootId = this.bootId;
    event.instanceSequence = BigInt(this.#nextSequence);
    const payload = encodeEvent(event);
    const durable = this.#opened.append(recordType.final, event.eventId, { event, payload }, payload, room);
    this.#nextSequence += 1;
    return durable;
  }

  #ended(eventId: string): void {
    const call = this.#open.take(eventId);
    if (call === undefined) return;
    call.segment.open -= 1;
    if (call.startBytes !== undefined) this.#opened.callEnded(call.startBytes);
  }

  /** Keeps the end of a call that the disk did not take, to write it when there is room again. */
  #owe(event: UsageEvent): void {
    if (this.#owed.size < owedMax) this.#owed.set(event.eventId, event);
    else
      this.#options.log.warn("the end of a call could not be kept: its event will say LOST", {
        eventId: event.eventId,
      });
  }

  #payOwed(): void {
    for (const event of [...this.#owed.values()]) {
      this.#owed.delete(event.eventId);
      try {
        // A group that fails owes its events again by `onRefused`.
        this.#appendFinal(event).catch(() => undefined);
      } catch {
        this.#owed.set(event.eventId, event); // Still refused: the next round tries again.
        return;
      }
    }
  }

  async #closeUnfinished(recovered: Recovered): Promise<void> {
    const segments = new Map(recovered.segments.map((segment) => [segment.ordinal, segment]));
    const writes: Promise<void>[] = [];
    for (const call of recovered.unfinished) {
      const segment = segments.get(call.ordinal);
      if (segment !== undefined) this.#open.set(call.eventId, { segment, offset: 0, startBytes: undefined });
      const start = fromBinary(UsageEventSchema, call.start);
      const progress = call.progress === undefined ? undefined : fromBinary(UsageSchema, call.progress);
      const event = toLostEvent(start, progress, this.#options.now(), this.#options.reprice);
      // A journal at its limit must still open, since only publishing can empty it: the event is then owed.
      writes.push(this.finish(event).catch(() => undefined));
    }
    await Promise.all(writes);
    if (this.#opened.poisoned) throw new Error("the disk failed while lost calls were closed");
    this.#lostEvents = writes.length;
    if (writes.length > 0)
      this.#options.log.warn("calls of an earlier life were closed as lost", { calls: writes.length });
  }

  #maintain(): void {
    if (this.#owed.size > 0 && !this.#opened.poisoned) this.#payOwed();
    this.#checkpointIfDue();
    if (this.#pruning) return;
    this.#pruning = true;
    const { maxBytes, delivery } = this.#options;
    const urgency = this.#opened.totalBytes > maxBytes * urgentShare ? "urgent" : "when-aged";
    // A reader that is stuck must not stop the gateway, as long as NATS holds the events that it has not seen.
    const floor = this.#floor.next(this.#floorOrdinal(), urgency === "urgent" && delivery === "outbox");
    this.#opened
      .prune(floor, urgency)
      .catch((error: unknown) =>
        this.#options.log.warn("an old usage segment cannot be deleted", { error: String(error) }),
      )
      .finally(() => {
        this.#pruning = false;
      });
  }

  #checkpointIfDue(): void {
    if (this.#checkpointing !== undefined || this.#opened.poisoned) return;
    const settled = this.#settled();
    if (this.#opened.bytesBetween(this.#checkpointed, settled) < checkpointBytes) return;
    this.#checkpointing = this.#checkpoint(settled).finally(() => {
      this.#checkpointing = undefined;
    });
  }

  /** Never rejects: without it the next start takes longer, and nothing else. */
  async #checkpoint(settled: Place): Promise<void> {
    const { folder, delivery, log } = this.#options;
    this.#checkpointed = settled;
    try {
      await writeCheckpoint(this.#files, folder, { settled, delivery, segments: this.segments });
    } catch (error) {
      log.warn("the checkpoint of the usage journal cannot be written: the next start reads more of it", {
        error: String(error),
      });
    }
  }

  /** Nothing before it is open or waits for delivery. */
  #settled(): Place {
    let settled = this.#opened.durablePlace;
    const places = this.#open.values().map(({ segment, offset }): Place => ({ ordinal: segment.ordinal, offset }));
    const undelivered = this.outbox.oldestPlace();
    if (undelivered !== undefined) places.push(undelivered);
    for (const place of places) if (isBefore(place, settled)) settled = place;
    return settled;
  }

  async #close(): Promise<void> {
    clearInterval(this.#maintenance);
    if (this.#owed.size > 0 && !this.#opened.poisoned) this.#payOwed();
    this.outbox.flushDelivered();
    try {
      await this.#opened.close();
      await this.#checkpointing;
      if (!this.#opened.poisoned) await this.#checkpoint(this.#settled());
    } finally {
      await this.#lock.release();
    }
  }
}
