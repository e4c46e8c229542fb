// Sends what stands in the outbox to JetStream, and tells the outbox what was acknowledged. Nothing in the gateway waits
// for it: without NATS events stay in the journal, and it tries again for ever.
//
// Publishing speaks the protocol itself (a message with a reply subject, a batch by its headers, ADR-50) on one
// subscription: the client's `publish` makes a promise and a timer for each message, which is most of its cost.
import type { Msg, NatsConnection } from "@nats-io/transport-node";
import { LiveTable } from "../../domain/live-table.ts";
import type { LedgerLog } from "../ledger.ts";
import type { Outbox, OutboxEvent } from "../outbox.ts";
import { SparseLog } from "../sparse-log.ts";
import { checkStream } from "./check-stream.ts";
import { connectNats, type NatsAccess, type NatsModule } from "./connect-nats.ts";
import { type EventFormat, toEventMessage } from "./event-message.ts";
import { explainNatsError } from "./explain-nats-error.ts";
import type { PublisherFigures, PublisherState } from "./publisher-state.ts";
import { readAck } from "./read-ack.ts";
import { subjectOf } from "./subject.ts";
import { textHeaders } from "./text-headers.ts";

export type PublisherOptions = {
  readonly access: NatsAccess;
  readonly stream: string;
  /** Default "llmgateway". */
  readonly subjectPrefix?: string | undefined;
  readonly format: EventFormat;
  readonly instance: string;
  readonly log: LedgerLog;
};

/** One message or one batch under way. */
type Flight = { readonly events: readonly OutboxEvent[]; readonly batch: boolean; readonly sentAtMs: number };

type Step = "sent" | "nothing-to-send";

type Link = { readonly connection: NatsConnection; readonly nats: NatsModule; readonly inbox: string };

/** Single messages under way; more buys only latency. */
const singlesInFlightMax = 128;
const batchesInFlightMax = 2;
const batchEventsMax = 128;
/** A backlog of this many goes in batches. */
const batchFrom = 16;
const gatherMs = 10;
const ackTimeoutMs = 5_000;
const sweepMs = 500;
const backoffMsMin = 100;
const backoffMsMax = 15_000;
const recheckMs = 2_000;
const defaultPrefix = "llmgateway";

export class Publisher {
  readonly #options: PublisherOptions;
  readonly #outbox: Outbox;
  readonly #prefix: string;
  #state: PublisherState = { kind: "connecting" };
  #link: Link | undefined;
  #atomic = false;
  /** By the last part of the reply subject, which ascends. */
  readonly #flights = new LiveTable<number, Flight>((token) => token);
  #singlesInFlight = 0;
  #batchesInFlight = 0;
  /** Events of a batch that failed: they go one by one. */
  #singles: OutboxEvent[] = [];
  #token = 0;
  #scheduled = false;
  #gathering: NodeJS.Timeout | undefined;
  #closing = false;
  #pumping = false;
  #pausedUntilMs = 0;
  #backoffMs = backoffMsMin;
  /** The user may not publish: one event at a time finds out when that changes. */
  #isDenied = false;
  readonly #log: SparseLog;
  #closed = false;
  readonly #sweep: NodeJS.Timeout;
  #wake: () => void = () => undefined;
  #emptied: (() => void) | undefined;
  readonly #running: Promise<void>;
  #figures = { published: 0, duplicates: 0, retries: 0 };

  /** Begins at once; never throws and never rejects. */
  constructor(outbox: Outbox, options: PublisherOptions) {
    this.#outbox = outbox;
    this.#options = options;
    this.#prefix = options.subjectPrefix ?? defaultPrefix;
    this.#log = new SparseLog({ log: options.log, nowMs: () => performance.now() });
    outbox.onArrival(() => this.#schedule());
    this.#sweep = setInterval(() => this.#sweepFlights(), sweepMs);
    this.#sweep.unref();
    this.#running = this.#run();
  }

  get state(): PublisherState {
    return this.#state;
  }

  get figures(): PublisherFigures {
    return this.#figures;
  }

  /** Waits until the outbox is empty, at most `drainMs`, and ends the connection. */
  async close(drainMs: number): Promise<void> {
    this.#closing = true;
    if (this.#outbox.depth > 0 && this.#state.kind === "publishing") {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, drainMs);
        this.#emptied = () => {
          clearTimeout(timer);
          resolve();
        };
        this.#schedule();
      });
    }
    this.#closed = true;
    clearInterval(this.#sweep);
    clearTimeout(this.#gathering);
    this.#wake();
    await this.#running;
  }

  /** One round is one life of a connection object, which itself reconnects. */
  async #run(): Promise<void> {
    while (!this.#closed) {
      try {
        const { connection, nats } = await connectNats(this.#options.access, `llmgateway ${this.#options.instance}`);
        await this.#live(connection, nats);
      } catch (error) {
        this.#state = { kind: "connecting" };
        this.#warn("NATS cannot be reached: usage events stay in the journal", this.#explain(error));
      }
      await this.#pause(this.#nextBackoff());
    }
  }

  async #live(connection: NatsConnection, nats: NatsModule): Promise<void> {
    const inbox = nats.createInbox(this.#options.access.inboxPrefix);
    const link: Link = { connection, nats, inbox };
    connection.subscribe(`${inbox}.*`, {
      callback: (error, message) => (error === null ? this.#onAck(message) : this.#onNoReplies(link, error)),
    });
    const watching = this.#watch(link);
    try {
      await this.#admit(link);
      while (!this.#closed && !connection.isClosed()) {
        await this.#pause(recheckMs);
        if (this.#link === undefined && !connection.isClosed()) await this.#admit(link);
      }
    } finally {
      this.#unlink();
      // A connection that is just reconnecting cannot be flushed: what was not acknowledged is published again anyway.
      await connection.close().catch(() => undefined);
      await watching;
    }
  }

  /** Looks at the server and the stream, and starts to publish when they are fit. */
  async #admit(link: Link): Promise<void> {
    try {
      const check = await checkStream(link.connection, this.#options.stream, this.#prefix);
      if (check.kind === "unfit") {
        this.#refuse(check.because);
        return;
      }
      this.#atomic = check.kind === "fit" && check.atomic;
    } catch (error) {
      // Looked at again by `#live`, or by the next connection.
      if (!link.connection.isClosed())
        this.#warn("NATS does not answer: usage events stay in the journal", this.#explain(error));
      return;
    }
    if (link.connection.isClosed()) return;
    this.#link = link;
    this.#state = { kind: "publishing" };
    this.#isDenied = false;
    this.#pausedUntilMs = 0;
    this.#schedule();
  }

  async #watch(link: Link): Promise<void> {
    for await (const status of link.connection.status()) {
      if (status.type === "disconnect") {
        this.#unlink();
        if (!this.#closing) this.#warn("NATS has gone: usage events stay in the journal", "the connection is lost");
      } else if (status.type === "error") {
        this.#onServerError(link, status.error);
      } else if (status.type === "reconnect") {
        // The server may be another one now: look again.
        await this.#admit(link);
      } else if (status.type === "close") {
        this.#wake();
      }
    }
    this.#wake();
  }

  /** The server says that something is not allowed, at any time and without a reference to what was sent. */
  #onServerError(link: Link, error: Error): void {
    if (!(error instanceof link.nats.PermissionViolationError)) {
      this.#warn("NATS cannot be reached: usage events stay in the journal", this.#explain(error));
      return;
    }
    if (error.operation !== "publish" || !error.subject.startsWith(`${this.#prefix}.`)) return; // Told by who asked.
    this.#isDenied = true;
    this.#refuse(`the NATS user may not publish to ${error.subject}`);
    for (const [token, flight] of this.#inOrder()) {
      const [event] = flight.events;
      if (flight.batch || event === undefined || subjectOf(this.#prefix, event.head) !== error.subject) continue;
      this.#land(token);
      this.#figures.retries += 1;
      this.#outbox.postpone(event);
    }
    if (performance.now() >= this.#pausedUntilMs) this.#backOff();
  }

  /** Without replies nothing is ever acknowledged, so that every event would be sent again and again. */
  #onNoReplies(link: Link, error: Error): void {
    this.#link = undefined;
    this.#refuse(this.#explain(error));
    // What the server has closed stays closed: another connection asks again.
    void link.connection.close().catch(() => undefined); // Going down already.
  }

  #refuse(because: string): void {
    this.#state = { kind: "refused", because };
    this.#warn("usage events stay in the journal", because);
  }

  #unlink(): void {
    this.#link = undefined;
    this.#state = { kind: "connecting" };
    this.#dropFlights();
  }

  /**
   * A few events wait a little for more: one at a time, a message costs Node some 50 µs in socket reads and writes, in a
   * batch a third of that. Nobody waits for the acknowledgement, so the delay costs nothing.
   */
  #schedule(): void {
    if (this.#pumping || this.#link === undefined) return;
    if (this.#outbox.waiting >= batchFrom || this.#closing) {
      if (this.#scheduled) return;
      this.#scheduled = true;
      setImmediate(() => {
        this.#scheduled = false;
        this.#pumpSafely();
      });
    } else {
      this.#gathering ??= setTimeout(() => {
        this.#gathering = undefined;
        this.#pumpSafely();
      }, gatherMs);
    }
  }

  #pumpSafely(): void {
    this.#pump().catch((error: unknown) => {
      this.#warn("usage events cannot be read for publishing", error instanceof Error ? error.message : String(error));
      this.#backOff();
    });
  }

  async #pump(): Promise<void> {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      while (this.#link !== undefined && performance.now() >= this.#pausedUntilMs) {
        const step = this.#step(this.#link);
        if ((step instanceof Promise ? await step : step) === "nothing-to-send") return;
      }
    } finally {
      this.#pumping = false;
    }
  }

  /** Sends one batch, or as many single messages as there is room for. */
  #step(link: Link): Step | Promise<Step> {
    const room = (this.#isDenied ? 1 : singlesInFlightMax) - this.#singlesInFlight;
    if (this.#singles.length > 0) {
      if (room <= 0) return "nothing-to-send";
      for (const event of this.#singles.splice(0, room)) this.#sendSingle(link, event);
      return "sent";
    }
    const { waiting } = this.#outbox;
    const batch = this.#atomic && waiting >= batchFrom && !this.#isDenied;
    const full = batch ? this.#batchesInFlight >= batchesInFlightMax : room <= 0;
    if (waiting === 0 || full) return "nothing-to-send";
    const taken = this.#outbox.take(batch ? batchEventsMax : room);
    if (taken instanceof Promise) return taken.then((events) => this.#send(events, batch));
    return this.#send(taken, batch);
  }

  #send(events: readonly OutboxEvent[], batch: boolean): Step {
    const link = this.#link;
    if (link === undefined)
      this.#outbox.giveBack(events); // The connection went while the events were read.
    else if (batch && events.length > 1) this.#sendBatch(link, events);
    else for (const event of events) this.#sendSingle(link, event);
    return "sent";
  }

  #sendSingle(link: Link, event: OutboxEvent): void {
    const reply = this.#takeOff({ events: [event], batch: false, sentAtMs: performance.now() }, link);
    this.#publish(link, event, "", reply);
  }

  #sendBatch(link: Link, events: readonly OutboxEvent[]): void {
    const reply = this.#takeOff({ events, batch: true, sentAtMs: performance.now() }, link);
    const id = link.nats.nuid.next();
    let sequence = 0;
    for (const event of events) {
      sequence += 1;
      const lines = `Nats-Batch-Id: ${id}\r\nNats-Batch-Sequence: ${sequence}\r\n`;
      if (sequence < events.length) this.#publish(link, event, lines, undefined);
      else this.#publish(link, event, `${lines}Nats-Batch-Commit: 1\r\n`, reply);
    }
  }

  #takeOff(flight: Flight, link: Link): string {
    this.#token += 1;
    this.#flights.set(this.#token, flight);
    if (flight.batch) this.#batchesInFlight += 1;
    else this.#singlesInFlight += 1;
    return `${link.inbox}.${this.#token}`;
  }

  /** `lines`: further headers. */
  #publish(link: Link, { head, payload }: OutboxEvent, lines: string, reply: string | undefined): void {
    const message = toEventMessage(head, payload, this.#options.format);
    const headers = textHeaders(link.nats, message.headers + lines);
    const options = reply === undefined ? { headers } : { headers, reply };
    link.connection.publish(subjectOf(this.#prefix, head), message.payload, options);
  }

  #inOrder(): [number, Flight][] {
    return this.#flights.entries().sort(([token], [other]) => token - other);
  }

  #land(token: number): Flight | undefined {
    const flight = this.#flights.take(token);
    if (flight === undefined) return undefined;
    if (flight.batch) this.#batchesInFlight -= 1;
    else this.#singlesInFlight -= 1;
    return flight;
  }

  #onAck(message: Msg): void {
    const flight = this.#land(Number(message.subject.slice(message.subject.lastIndexOf(".") + 1)));
    if (flight === undefined) return; // Came after its time: the event was or will be sent again, under the same id.
    const ack = readAck(message);
    if (ack.kind === "refused" || (flight.batch && ack.count !== flight.events.length)) {
      this.#refusedFlight(flight, ack.kind === "refused" ? ack.because : "the batch is incomplete");
      return;
    }
    for (const event of flight.events) this.#outbox.delivered(event);
    this.#figures.published += flight.events.length;
    if (ack.duplicate) this.#figures.duplicates += 1;
    this.#backoffMs = backoffMsMin;
    if (this.#isDenied && this.#link !== undefined) {
      this.#isDenied = false;
      this.#state = { kind: "publishing" };
    }
    if (this.#outbox.depth === 0) this.#emptied?.();
    else this.#schedule();
  }

  #refusedFlight(flight: Flight, because: string): void {
    this.#figures.retries += flight.events.length;
    if (flight.batch) {
      // One event that is a duplicate fails the whole batch: find out which, one by one.
      this.#singles.push(...flight.events);
      this.#schedule();
      return;
    }
    this.#warn("NATS refuses a usage event: it stays in the journal and is sent again", because);
    for (const event of flight.events) this.#outbox.postpone(event);
    this.#backOff();
  }

  #sweepFlights(): void {
    const before = performance.now() - ackTimeoutMs;
    const late: OutboxEvent[] = [];
    for (const [token, flight] of this.#inOrder()) {
      if (flight.sentAtMs > before) break;
      this.#land(token);
      if (flight.batch) this.#singles.push(...flight.events);
      else late.push(...flight.events);
      this.#figures.retries += flight.events.length;
    }
    if (late.length > 0) {
      this.#outbox.giveBack(late);
      this.#warn("NATS does not acknowledge usage events", "no answer in time");
      this.#backOff();
    }
    this.#schedule();
  }

  /** What was under way goes back, to be sent again under the same ids. */
  #dropFlights(): void {
    const events = this.#inOrder().flatMap(([, flight]) => flight.events);
    this.#figures.retries += events.length;
    this.#flights.clear();
    this.#singlesInFlight = 0;
    this.#batchesInFlight = 0;
    const back = [...events, ...this.#singles];
    this.#singles = [];
    if (back.length > 0) this.#outbox.giveBack(back);
  }

  #backOff(): void {
    this.#pausedUntilMs = performance.now() + this.#nextBackoff();
  }

  #nextBackoff(): number {
    const now = this.#backoffMs;
    this.#backoffMs = Math.min(backoffMsMax, now * 2);
    return now / 2 + (Math.random() * now) / 2;
  }

  async #pause(milliseconds: number): Promise<void> {
    if (this.#closed) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      timer.unref();
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #explain(error: unknown): string {
    return explainNatsError(error, this.#options.access);
  }

  #warn(message: string, because: string): void {
    this.#log.warn(message, because, { waiting: this.#outbox.depth });
  }
}
