// The append-only log of usage records. Records that wait are written in one piece (a group), the next group gathers
// while that write runs, and a promise resolves when its group is durable. Every record of a group shares one promise.
//
// After an error of the disk nothing that was written can be trusted, and a later fsync may lie about it: the journal is
// then poisoned and refuses everything until the process starts again. A full disk is no such error: the group is cut
// off again, its records are refused, and later ones are tried anew.
import { join } from "node:path";
import { ErrorReason } from "../../contract.ts";
import { CallFailure } from "../../domain/call-failure.ts";
import { type RecordType, recordType } from "./frame.ts";
import type { Durability, JournalFiles, SegmentFile } from "./journal-files.ts";
import { deliveredFrameBytes, frameBytesMax, type Place, writeDeliveredRecord, writeEventRecord } from "./record.ts";
import { type Segment, segmentName } from "./segment.ts";

/** A START or FINAL on its way to the disk. */
export type JournalEntry<Note> = {
  readonly type: RecordType;
  readonly eventId: string;
  /** What the owner wants back with `durable` and `refused`. */
  readonly note: Note;
  /** Offset of the record in its group; the place on disk is the group's offset plus this. */
  readonly at: number;
};

export type JournalOptions = {
  readonly folder: string;
  readonly bootId: string;
  readonly files: JournalFiles;
  readonly durability: Durability;
  readonly retainMs: number;
  /** Most bytes of all segments together. */
  readonly maxBytes: number;
  /** Default 64 MiB, and at most an eighth of `maxBytes`. */
  readonly segmentBytesMax?: number | undefined;
  readonly now: () => number;
};

/** Who hears what became of the records. */
export interface JournalOwner<Note> {
  /** Entries became durable, in order, before their promises resolve. `baseOffset + entry.at` is the place. */
  onDurable(entries: readonly JournalEntry<Note>[], segment: Segment, baseOffset: number): void;
  /** Entries were not written and never will be, in order, before their promises reject. */
  onRefused(entries: readonly JournalEntry<Note>[]): void;
  onPoisoned(error: Error): void;
  /** Milliseconds from the start of a write until it was durable. */
  onWrite(milliseconds: number, records: number): void;
}

/** `free`: what is not kept for the ends of calls. */
export type Room = "free" | "any";

type Group<Note> = {
  buffer: Buffer;
  length: number;
  entries: JournalEntry<Note>[];
  records: number;
  settled: PromiseWithResolvers<void>;
};

const groupBytesAtFirst = 64 * 1024;
/** A group's buffer that grew past this is given back to the collector. */
const groupBytesKept = 4 << 20;
/** Most bytes that wait for the disk; past it the journal refuses. */
const waitingBytesMax = 32 << 20;
/** What a FINAL has beyond its START: usage, cost lines, attempts. */
const finalGrowthBytes = 4096;
/** Longest wait of a record that nobody waits for. */
const lazyMs = 100;
/** A group of this many records says that many calls are under way. */
const busyRecords = 4;
const gatherMs = 1;
/** So many do not wait longer. */
const gatherRecordsMax = 128;
const fullRetryMs = 1_000;
const poisonedRetryMs = 5_000;
const segmentBytesDefault = 64 << 20;
/** A small journal has small segments: the one that is written to is never deleted. */
const segmentsMin = 8;

export class Journal<Note> {
  readonly segments: Segment[];
  readonly #options: JournalOptions;
  readonly #segmentBytesMax: number;
  readonly #owner: JournalOwner<Note>;
  #file: SegmentFile;
  #current: Segment;
  #waiting: Group<Note> = newGroup();
  #spare: Group<Note> | undefined;
  #writing = false;
  #scheduled = false;
  #lazyTimer: NodeJS.Timeout | undefined;
  #gathering: NodeJS.Timeout | undefined;
  #poison: Error | undefined;
  #fullUntilMs = 0;
  #closed = false;
  #idle: PromiseWithResolvers<void> | undefined;
  #totalBytes: number;
  #writingBytes = 0;
  /** Kept free for the FINAL of each call that has begun and not ended. */
  #reservedBytes = 0;

  private constructor(
    options: JournalOptions,
    owner: JournalOwner<Note>,
    segments: Segment[],
    file: SegmentFile,
    current: Segment,
  ) {
    this.#options = options;
    this.#owner = owner;
    this.#segmentBytesMax =
      options.segmentBytesMax ?? Math.min(segmentBytesDefault, Math.floor(options.maxBytes / segmentsMin));
    this.segments = segments;
    this.#file = file;
    this.#current = current;
    this.#totalBytes = segments.reduce((sum, segment) => sum + segment.bytes, 0);
  }

  /** Opens a new segment behind `segments`, those of earlier lives. */
  static async open<Note>(
    options: JournalOptions,
    segments: Segment[],
    owner: JournalOwner<Note>,
  ): Promise<Journal<Note>> {
    const ordinal = (segments.at(-1)?.ordinal ?? 0) + 1;
    const { file, segment } = await createSegment(options, ordinal);
    segments.push(segment);
    return new Journal(options, owner, segments, file, segment);
  }

  /** End of what is durable. */
  get durablePlace(): Place {
    return { ordinal: this.#current.ordinal, offset: this.#current.bytes };
  }

  /** Bytes from one place to another, as far as their segments are still there. */
  bytesBetween(from: Place, to: Place): number {
    let bytes = 0;
    for (const segment of this.segments) {
      const begin = segment.ordinal > from.ordinal ? 0 : segment.ordinal < from.ordinal ? segment.bytes : from.offset;
      const end = segment.ordinal < to.ordinal ? segment.bytes : segment.ordinal > to.ordinal ? 0 : to.offset;
      bytes += Math.max(0, end - begin);
    }
    return bytes;
  }

  get totalBytes(): number {
    return this.#totalBytes;
  }

  get poisoned(): boolean {
    return this.#poison !== undefined;
  }

  /**
   * Appends a START or FINAL. Throws `CallFailure` GATEWAY_OVERLOADED when the record is not taken, and `RangeError` when
   * it is too large; otherwise the promise resolves when it is durable, or rejects with `CallFailure` GATEWAY_OVERLOADED.
   * `room`: what it may take of; default: for the FINAL of a call, what is kept for it.
   */
  append(
    type: RecordType,
    eventId: string,
    note: Note,
    message: Uint8Array,
    room: Room = type === recordType.start ? "free" : "any",
  ): Promise<void> {
    const reserve = type === recordType.start ? finalBytesOf(message.length) : 0;
    const refusal = this.#refusal(room, frameBytesMax(eventId, message) + reserve);
    if (refusal !== undefined) throw refusal;
    const group = this.#waiting;
    const at = group.length;
    this.#put(group, type, eventId, message);
    group.entries.push({ type, eventId, note, at });
    this.#reservedBytes += reserve;
    this.#schedule();
    return group.settled.promise;
  }

  /** A call whose START this journal took has ended, or that START was refused after all. `startBytes`: of its message. */
  callEnded(startBytes: number): void {
    this.#reservedBytes -= finalBytesOf(startBytes);
  }

  /** Appends a PROGRESS that nobody waits for; left out when the journal refuses. */
  appendLazily(type: RecordType, eventId: string, message: Uint8Array): void {
    if (this.#refusal("free", frameBytesMax(eventId, message)) !== undefined) return;
    this.#put(this.#waiting, type, eventId, message);
    this.#armLazyTimer();
  }

  /** Appends a DELIVERED that nobody waits for; losing it only means that the events are published once more. */
  appendDelivered(places: readonly Place[]): void {
    const bytes = deliveredFrameBytes(places.length);
    if (places.length === 0 || this.#refusal("any", bytes) !== undefined) return;
    const group = this.#waiting;
    makeRoom(group, bytes);
    group.length = writeDeliveredRecord(group.buffer, group.length, places);
    group.records += 1;
    this.#armLazyTimer();
  }

  /**
   * Deletes segments from the oldest on whose records nobody needs: every FINAL delivered, no call open, older than
   * `retainMs` (or at once with `urgent`, when the quota is reached), and below `floorOrdinal`.
   */
  async prune(floorOrdinal: number, urgency: "when-aged" | "urgent"): Promise<void> {
    const agedBefore = this.#options.now() - this.#options.retainMs;
    for (;;) {
      const oldest = this.segments[0];
      if (oldest === undefined || oldest === this.#current || oldest.ordinal >= floorOrdinal) return;
      if (oldest.undelivered > 0 || oldest.open > 0) return;
      if (urgency === "when-aged" && oldest.lastWriteMs > agedBefore) return;
      this.segments.shift();
      this.#totalBytes -= oldest.bytes;
      await this.#options.files.remove(oldest.path);
    }
  }

  /** Writes what waits, then closes; later appends are refused. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#lazyTimer);
    this.#flush();
    if (this.#writing) {
      this.#idle = Promise.withResolvers();
      await this.#idle.promise;
    }
    await this.#file.close();
  }

  /** `bytes`: what the record takes at most, with what it reserves. */
  #refusal(room: Room, bytes: number): CallFailure | undefined {
    if (this.#poison !== undefined) {
      return overloaded("the usage journal has failed and needs a restart", poisonedRetryMs, this.#poison);
    }
    if (this.#closed) return overloaded("the gateway is stopping", fullRetryMs);
    const fullForMs = this.#fullUntilMs - this.#options.now();
    // A clock that was set back must not keep the journal closed.
    if (fullForMs > 0 && fullForMs <= fullRetryMs)
      return overloaded("the disk of the usage journal is full", fullRetryMs);
    if (this.#waiting.length > waitingBytesMax) return overloaded("the usage journal is behind", fullRetryMs);
    // A call that has begun must be able to end: what it needs is kept free before another one begins.
    const reserved = room === "free" ? this.#reservedBytes : 0;
    const needed = this.#totalBytes + this.#writingBytes + this.#waiting.length + bytes + reserved;
    if (needed > this.#options.maxBytes) {
      return overloaded("the usage journal has reached its size limit", fullRetryMs);
    }
    return undefined;
  }

  #put(group: Group<Note>, type: RecordType, eventId: string, message: Uint8Array): void {
    makeRoom(group, frameBytesMax(eventId, message));
    group.length = writeEventRecord(group.buffer, group.length, type, eventId, message);
    group.records += 1;
  }

  #armLazyTimer(): void {
    if (this.#writing || this.#scheduled || this.#gathering !== undefined || this.#lazyTimer !== undefined) return;
    this.#lazyTimer = setTimeout(() => {
      this.#lazyTimer = undefined;
      this.#flush();
    }, lazyMs);
    this.#lazyTimer.unref();
  }

  /** One turn of the event loop gathers what arrives together. */
  #schedule(): void {
    if (this.#writing || this.#scheduled) return;
    if (this.#gathering !== undefined && this.#waiting.records < gatherRecordsMax) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#writing) return;
    clearTimeout(this.#gathering);
    this.#gathering = undefined;
    const group = this.#waiting;
    if (group.records === 0 || this.#poison !== undefined) {
      this.#idle?.resolve();
      return;
    }
    this.#writing = true;
    this.#writingBytes = group.length;
    this.#waiting = this.#spare ?? newGroup();
    this.#spare = undefined;
    if (this.#current.bytes + group.length <= this.#segmentBytesMax || this.#current.bytes === 0) {
      this.#write(group);
      return;
    }
    this.#rotate().then(
      () => this.#write(group),
      (error: unknown) =>
        this.#failed(group, error instanceof Error ? error : new Error(String(error)), "nothing-written"),
    );
  }

  async #rotate(): Promise<void> {
    const { file, segment } = await createSegment(this.#options, this.#current.ordinal + 1);
    const before = this.#file;
    this.#file = file;
    this.#current = segment;
    this.segments.push(segment);
    await before.close();
  }

  #write(group: Group<Note>): void {
    const started = performance.now();
    const base = this.#current.bytes;
    let written = 0;
    const next = (): void => {
      this.#file.write(group.buffer, written, group.length - written, base + written, (error, count) => {
        if (error !== null) {
          this.#failed(group, error, "part-written");
          return;
        }
        if (count === 0) {
          this.#failed(group, new Error("the file system took no bytes"), "part-written");
          return;
        }
        written += count;
        if (written < group.length) {
          next(); // A short write: the rest follows.
          return;
        }
        this.#owner.onWrite(performance.now() - started, group.records);
        this.#written(group, base);
      });
    };
    next();
  }

  #written(group: Group<Note>, base: number): void {
    const segment = this.#current;
    segment.bytes += group.length;
    segment.lastWriteMs = this.#options.now();
    this.#totalBytes += group.length;
    this.#writingBytes = 0;
    this.#owner.onDurable(group.entries, segment, base);
    group.settled.resolve();
    this.#spare = group.buffer.length > groupBytesKept ? undefined : emptied(group);
    this.#writing = false;
    if (group.records >= busyRecords && !this.#closed) this.#gather();
    else this.#flush();
  }

  /**
   * Under load the next group waits a moment for company: a write costs two switches of the thread and a sync of the disk,
   * whatever it carries. With 64 calls at once that took 25 µs of CPU off each (bench/run.ts, 2026-11-24). A journal that
   * is not busy never waits.
   */
  #gather(): void {
    this.#gathering = setTimeout(() => {
      this.#gathering = undefined;
      this.#flush();
    }, gatherMs);
  }

  /** A full disk lets the journal go on; anything else poisons it. */
  #failed(group: Group<Note>, error: Error, state: "nothing-written" | "part-written"): void {
    if (!isDiskFull(error)) {
      this.#poisonWith(group, error);
      return;
    }
    const cut = state === "nothing-written" ? Promise.resolve() : this.#file.truncate(this.#current.bytes);
    cut.then(
      () => {
        this.#fullUntilMs = this.#options.now() + fullRetryMs;
        this.#refuse(group, overloaded("the disk of the usage journal is full", fullRetryMs, error));
        this.#writing = false;
        this.#idle?.resolve();
      },
      // Records that were refused may stand in the file: it must not be written to, and not be trusted, any more.
      (second: unknown) => this.#poisonWith(group, second instanceof Error ? second : error),
    );
  }

  #poisonWith(group: Group<Note>, error: Error): void {
    this.#poison = error;
    this.#refuse(group, overloaded("the usage journal has failed and needs a restart", poisonedRetryMs, error));
    this.#writing = false;
    this.#idle?.resolve();
    this.#owner.onPoisoned(error);
  }

  /** Refuses a group and what gathered behind it, so that the numbers drawn for them can be drawn again. */
  #refuse(group: Group<Note>, failure: CallFailure): void {
    const behind = this.#waiting;
    this.#waiting = newGroup();
    this.#writingBytes = 0;
    this.#owner.onRefused([...group.entries, ...behind.entries]);
    group.settled.reject(failure);
    behind.settled.reject(failure);
  }
}

/** Most bytes of the FINAL of a call: it repeats its START. */
function finalBytesOf(startBytes: number): number {
  return startBytes + finalGrowthBytes;
}

function newGroup<Note>(): Group<Note> {
  return { buffer: Buffer.allocUnsafeSlow(groupBytesAtFirst), length: 0, entries: [], records: 0, settled: settling() };
}

function emptied<Note>(group: Group<Note>): Group<Note> {
  group.length = 0;
  group.entries = [];
  group.records = 0;
  group.settled = settling();
  return group;
}

function settling(): PromiseWithResolvers<void> {
  const settled = Promise.withResolvers<void>();
  settled.promise.catch(() => undefined); // A group of records that nobody waits for may fail unheard.
  return settled;
}

function makeRoom<Note>(group: Group<Note>, bytes: number): void {
  if (group.length + bytes <= group.buffer.length) return;
  const larger = Buffer.allocUnsafeSlow(Math.max(group.buffer.length * 2, group.length + bytes));
  group.buffer.copy(larger, 0, 0, group.length);
  group.buffer = larger;
}

async function createSegment(
  options: JournalOptions,
  ordinal: number,
): Promise<{ readonly file: SegmentFile; readonly segment: Segment }> {
  const path = join(options.folder, segmentName(options.bootId, ordinal));
  const file = await options.files.create(path, options.durability);
  const lastWriteMs = options.now();
  return { file, segment: { ordinal, bootId: options.bootId, path, bytes: 0, undelivered: 0, open: 0, lastWriteMs } };
}

function isDiskFull(error: Error): boolean {
  return "code" in error && (error.code === "ENOSPC" || error.code === "EDQUOT");
}

function overloaded(message: string, retryAfterMs: number, cause?: unknown): CallFailure {
  return new CallFailure(ErrorReason.GATEWAY_OVERLOADED, message, { retryAfterMs, cause });
}
