// Events that are durable and not yet acknowledged by NATS. The newest are held in memory, up to a number; behind it only
// their offsets are, and they are read again from the segments. Order is that of the journal, nearly: what had to be
// given back comes first again.
import { fromBinary } from "@bufbuild/protobuf";
import { UsageEventSchema } from "../contract.ts";
import { LiveSet } from "../domain/live-set.ts";
import { type EventHead, toEventHead } from "./event-head.ts";
import { recordType } from "./journal/frame.ts";
import type { JournalFiles } from "./journal/journal-files.ts";
import { isBefore, type Place, readEventRecord } from "./journal/record.ts";
import { scanSegment } from "./journal/scan-segment.ts";
import type { Segment } from "./journal/segment.ts";

export type OutboxEvent = {
  readonly head: EventHead;
  /** The message as it stands in the journal. */
  readonly payload: Uint8Array;
  readonly segment: Segment;
  readonly offset: number;
  /** Unix milliseconds. */
  readonly durableAtMs: number;
  /** Of the outbox: its place among those that are under way. */
  seat: number;
};

export type OutboxOptions = {
  readonly files: JournalFiles;
  readonly writeDelivered: (places: readonly Place[]) => void;
  /** Events that could not be read again: they stay in their segment, which is then never deleted. */
  readonly onUnreadable: (count: number, path: string) => void;
  /** Events held in memory. Default 4096. */
  readonly windowMax?: number | undefined;
};

type Backlog = { readonly segment: Segment; readonly offsets: number[]; head: number; readonly sinceMs: number };

/** The seat of an event that nobody has taken. */
export const notTaken = -1;

const windowMaxDefault = 4096;
/** Events read again in one go. */
const refillMax = 1024;
/** DELIVERED places gathered before they are written. */
const deliveredPlacesMax = 512;
const deliveredDelayMs = 100;

export class Outbox {
  readonly #options: OutboxOptions;
  readonly #windowMax: number;
  #recent: OutboxEvent[] = [];
  #head = 0;
  readonly #backlog: Backlog[] = [];
  #backlogCount = 0;
  readonly #taken = new LiveSet<OutboxEvent>();
  /** The first of those that could not be read again. */
  #unreadable: Place | undefined;
  #places: Place[] = [];
  #placesTimer: NodeJS.Timeout | undefined;
  #listener: () => void = () => undefined;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#windowMax = options.windowMax ?? windowMaxDefault;
  }

  /** Events not yet acknowledged, those under way included. */
  get depth(): number {
    return this.waiting + this.#taken.size;
  }

  /** Events not yet taken. */
  get waiting(): number {
    return this.#recent.length - this.#head + this.#backlogCount;
  }

  /** Age of the oldest event that is not acknowledged; 0 when there is none. */
  oldestMs(nowMs: number): number {
    let oldest = Math.min(nowMs, this.#recent[this.#head]?.durableAtMs ?? nowMs, this.#backlog[0]?.sinceMs ?? nowMs);
    for (const { durableAtMs } of this.#taken) oldest = Math.min(oldest, durableAtMs);
    return nowMs - oldest;
  }

  /** Of the first event in the journal that is not acknowledged; `undefined`: there is none. */
  oldestPlace(): Place | undefined {
    let oldest = this.#unreadable;
    const look = (segment: Segment, offset: number): void => {
      const place = { ordinal: segment.ordinal, offset };
      if (oldest === undefined || isBefore(place, oldest)) oldest = place;
    };
    for (const { segment, offset } of this.#taken) look(segment, offset);
    for (const { segment, offset } of this.#recent.slice(this.#head)) look(segment, offset);
    for (const { segment, offsets, head } of this.#backlog) look(segment, offsets[head] ?? 0);
    return oldest;
  }

  /** Is told when events arrive. One listener. */
  onArrival(listener: () => void): void {
    this.#listener = listener;
  }

  add(event: OutboxEvent): void {
    if (this.#backlogCount > 0 || this.#recent.length - this.#head >= this.#windowMax) {
      this.addBacklog(event.segment, [event.offset], event.durableAtMs);
      return;
    }
    this.#recent.push(event);
    this.#listener();
  }

  /** Adds events by their offsets, ascending. */
  addBacklog(segment: Segment, offsets: readonly number[], sinceMs: number): void {
    const last = this.#backlog.at(-1);
    const ascends = (last?.offsets.at(-1) ?? 0) < (offsets[0] ?? 0);
    if (last?.segment === segment && ascends) for (const offset of offsets) last.offsets.push(offset);
    else this.#backlog.push({ segment, offsets: [...offsets], head: 0, sinceMs });
    this.#backlogCount += offsets.length;
    this.#listener();
  }

  /** Takes the next events, at most `max`: at once when they are in memory, else a promise. */
  take(max: number): readonly OutboxEvent[] | Promise<readonly OutboxEvent[]> {
    if (this.#head < this.#recent.length || this.#backlogCount === 0) return this.#takeRecent(max);
    return this.#refill().then(() => this.#takeRecent(max));
  }

  /** Takes back events that could not be published: they are the next ones. */
  giveBack(events: readonly OutboxEvent[]): void {
    for (const event of events) this.#taken.remove(event.seat, event);
    this.#recent = [...events, ...this.#recent.slice(this.#head)];
    this.#head = 0;
  }

  /** Takes back an event that NATS refuses: it goes behind the others, so that they need not wait for it. */
  postpone(event: OutboxEvent): void {
    this.#taken.remove(event.seat, event);
    this.addBacklog(event.segment, [event.offset], event.durableAtMs);
  }

  /** NATS has acknowledged it. */
  delivered(event: OutboxEvent): void {
    if (!this.#taken.remove(event.seat, event)) return;
    event.segment.undelivered -= 1;
    this.#places.push({ ordinal: event.segment.ordinal, offset: event.offset });
    if (this.#places.length >= deliveredPlacesMax) this.flushDelivered();
    else if (this.#placesTimer === undefined) {
      this.#placesTimer = setTimeout(() => this.flushDelivered(), deliveredDelayMs);
      this.#placesTimer.unref();
    }
  }

  /** Hands what was acknowledged to the journal. */
  flushDelivered(): void {
    clearTimeout(this.#placesTimer);
    this.#placesTimer = undefined;
    const places = this.#places;
    this.#places = [];
    if (places.length > 0) this.#options.writeDelivered(places);
  }

  #takeRecent(max: number): readonly OutboxEvent[] {
    const events = this.#recent.slice(this.#head, this.#head + max);
    this.#head += events.length;
    if (this.#head === this.#recent.length) {
      this.#recent = [];
      this.#head = 0;
    } else if (this.#head > this.#windowMax) {
      this.#recent = this.#recent.slice(this.#head);
      this.#head = 0;
    }
    for (const event of events) event.seat = this.#taken.add(event);
    return events;
  }

  async #refill(): Promise<void> {
    const backlog = this.#backlog[0];
    if (backlog === undefined) return;
    const wanted = backlog.offsets.slice(backlog.head, backlog.head + refillMax);
    const first = wanted[0] ?? 0;
    const events: OutboxEvent[] = [];
    await scanSegment(
      this.#options.files,
      backlog.segment.path,
      first,
      (frame, offset) => {
        if (offset !== wanted[events.length]) return undefined;
        const record = frame.type === recordType.final ? readEventRecord(frame.payload) : undefined;
        if (record === undefined) return "stop";
        const payload = Uint8Array.from(record.message);
        const head = toEventHead(fromBinary(UsageEventSchema, payload));
        const durableAtMs = head.timeMs === 0 ? backlog.sinceMs : head.timeMs;
        events.push({ head, payload, segment: backlog.segment, offset, durableAtMs, seat: notTaken });
        return events.length === wanted.length ? "stop" : undefined;
      },
      backlog.segment.bytes,
    );
    if (events.length < wanted.length) {
      const place = { ordinal: backlog.segment.ordinal, offset: wanted[events.length] ?? first };
      if (this.#unreadable === undefined || isBefore(place, this.#unreadable)) this.#unreadable = place;
      this.#options.onUnreadable(wanted.length - events.length, backlog.segment.path);
    }
    backlog.head += wanted.length;
    this.#backlogCount -= wanted.length;
    if (backlog.head === backlog.offsets.length && this.#backlog[0] === backlog) this.#backlog.shift();
    this.#recent = [...this.#recent.slice(this.#head), ...events];
    this.#head = 0;
  }
}
