// Questions and answers between replicas, over NATS subjects without a store: who asks gives a subject of its own, the owner
// sends bytes there as far as they are taken. Both ends pulse, so that each sees the other die.
import type { Msg, NatsConnection, Subscription } from "@nats-io/transport-node";
import type { AnswerHolder, AnswerLink, AnswerListener, QuestionLink, SharedCalls } from "../../domain/shared-calls.ts";
import { formatLinkMessage, linkKinds, parseLinkMessage } from "./link-message.ts";

export type LinkTimes = {
  /** Each end is heard at least so often. */
  readonly pulseMs: number;
  /** After so long without a pulse the other end counts as dead. */
  readonly silenceMs: number;
};

export const defaultLinkTimes: LinkTimes = { pulseMs: 2_000, silenceMs: 8_000 };

const limits = {
  /** Bytes on their way that were not taken. */
  windowBytes: 512 << 10,
  /** Of one message: below the 1 MiB that a NATS server takes unless told otherwise. */
  pieceBytes: 128 << 10,
  /** Questions that are answered at once. */
  answersMax: 4_096,
} as const;

const subjectRoot = "llmgateway_calls.v1";

export class CallLinks {
  readonly #connection: NatsConnection;
  readonly #times: LinkTimes;
  readonly #answers = new Map<string, Answering>();
  readonly #asked = new Set<Asking>();
  readonly #subscription: Subscription;
  readonly #subject: string;
  #questions = 0;

  constructor(
    connection: NatsConnection,
    instance: string,
    times: LinkTimes,
    answer: () => Parameters<SharedCalls["serve"]>[0] | undefined,
  ) {
    this.#connection = connection;
    this.#times = times;
    this.#subject = subjectOf(instance);
    this.#subscription = connection.subscribe(this.#subject, {
      callback: (error, message) => {
        if (error === null) this.#hear(message, answer());
      },
    });
  }

  ask(owner: string, question: Uint8Array, listener: AnswerListener): QuestionLink {
    this.#questions += 1;
    // Under our own subject rather than a common inbox: who may not answer anybody else can answer here.
    const inbox = `${this.#subject}.${this.#questions}`;
    const onOver = (): unknown => this.#asked.delete(asking);
    const asking = new Asking(this.#connection, subjectOf(owner), inbox, listener, this.#times, onOver);
    this.#asked.add(asking);
    asking.ask(question);
    return asking;
  }

  /** Those who asked hear that the answer is lost. */
  close(): void {
    this.#subscription.unsubscribe();
    for (const answering of [...this.#answers.values()]) answering.gone();
    for (const asking of [...this.#asked]) asking.lost();
  }

  #hear(message: Msg, answer: Parameters<SharedCalls["serve"]>[0] | undefined): void {
    const { reply } = message;
    const read = parseLinkMessage(message.data);
    if (reply === undefined || reply === "" || read === undefined) return;
    const known = this.#answers.get(reply);
    if (read.kind === linkKinds.ask) {
      if (known === undefined && answer !== undefined) this.#answer(reply, read.body, answer);
    } else if (read.kind === linkKinds.taken) known?.taken(read.position);
    else if (read.kind === linkKinds.leave) known?.gone();
  }

  /** Past the limit a question is not heard: who asked takes it for lost, and asks again. */
  #answer(reply: string, question: Uint8Array, answer: Parameters<SharedCalls["serve"]>[0]): void {
    if (this.#answers.size >= limits.answersMax) return;
    const answering = new Answering(this.#connection, reply, this.#times, () => this.#answers.delete(reply));
    this.#answers.set(reply, answering);
    answering.hold(answer(question, answering));
  }
}

/** The owner's end of a link. */
class Answering implements AnswerLink {
  readonly #connection: NatsConnection;
  readonly #subject: string;
  readonly #silenceMs: number;
  readonly #onOver: () => unknown;
  readonly #timer: NodeJS.Timeout;
  #holder: AnswerHolder | undefined;
  #waiting: Uint8Array[] = [];
  #sent = 0;
  #taken = 0;
  #heardMs = performance.now();
  #isEnding = false;
  #isOver = false;

  constructor(connection: NatsConnection, subject: string, times: LinkTimes, onOver: () => unknown) {
    this.#connection = connection;
    this.#subject = subject;
    this.#silenceMs = times.silenceMs;
    this.#onOver = onOver;
    this.#timer = setInterval(() => this.#pulse(), times.pulseMs);
    this.#timer.unref();
  }

  hold(holder: AnswerHolder | undefined): void {
    this.#holder = holder;
  }

  send(bytes: Uint8Array): boolean {
    if (this.#isOver) return true; // To nobody.
    if (bytes.length > 0) this.#waiting.push(bytes);
    this.#sendOn();
    return this.#waiting.length === 0;
  }

  end(): void {
    this.#isEnding = true;
    this.#sendOn();
  }

  taken(bytes: number): void {
    this.#heardMs = performance.now();
    this.#taken = Math.max(this.#taken, bytes);
    const wasWaiting = this.#waiting.length > 0;
    this.#sendOn();
    if (wasWaiting && this.#waiting.length === 0 && !this.#isOver) this.#holder?.drained();
  }

  gone(): void {
    if (!this.#over()) return;
    this.#waiting = [];
    this.#holder?.gone();
  }

  #sendOn(): void {
    while (!this.#isOver) {
      const [next] = this.#waiting;
      const room = Math.min(limits.pieceBytes, limits.windowBytes - (this.#sent - this.#taken));
      if (next === undefined || room <= 0) break;
      const piece = next.subarray(0, room);
      if (piece.length === next.length) this.#waiting.shift();
      else this.#waiting[0] = next.subarray(piece.length);
      publish(this.#connection, this.#subject, formatLinkMessage(linkKinds.data, this.#sent, piece));
      this.#sent += piece.length;
    }
    if (!this.#isEnding || this.#waiting.length > 0 || !this.#over()) return;
    publish(this.#connection, this.#subject, formatLinkMessage(linkKinds.end, this.#sent));
  }

  #pulse(): void {
    if (performance.now() - this.#heardMs > this.#silenceMs) this.gone();
    else publish(this.#connection, this.#subject, formatLinkMessage(linkKinds.pulse, this.#sent));
  }

  #over(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    clearInterval(this.#timer);
    this.#onOver();
    return true;
  }
}

/** The asking end of a link. */
class Asking implements QuestionLink {
  readonly #connection: NatsConnection;
  readonly #owner: string;
  /** Where the answer comes to. */
  readonly #inbox: string;
  readonly #listener: AnswerListener;
  readonly #silenceMs: number;
  readonly #onOver: () => unknown;
  readonly #subscription: Subscription;
  readonly #timer: NodeJS.Timeout;
  #received = 0;
  #taken = 0;
  /** What the owner was told last. */
  #told = 0;
  #heardMs = performance.now();
  #isOver = false;

  constructor(
    connection: NatsConnection,
    owner: string,
    inbox: string,
    listener: AnswerListener,
    times: LinkTimes,
    onOver: () => unknown,
  ) {
    this.#connection = connection;
    this.#owner = owner;
    this.#inbox = inbox;
    this.#listener = listener;
    this.#silenceMs = times.silenceMs;
    this.#onOver = onOver;
    this.#subscription = connection.subscribe(this.#inbox, {
      callback: (error, message) => {
        if (error === null) this.#hear(message);
      },
    });
    this.#timer = setInterval(() => this.#pulse(), times.pulseMs);
    this.#timer.unref();
  }

  ask(question: Uint8Array): void {
    this.#tell(linkKinds.ask, 0, question);
  }

  taken(bytes: number): void {
    if (this.#isOver) return;
    this.#taken += bytes;
    if (this.#taken - this.#told >= limits.windowBytes / 4) this.#tellTaken();
  }

  leave(): void {
    if (this.#over()) this.#tell(linkKinds.leave, this.#taken);
  }

  lost(): void {
    if (!this.#over()) return;
    this.#tell(linkKinds.leave, this.#taken);
    this.#listener.lost();
  }

  #hear(message: Msg): void {
    if (this.#isOver) return;
    const read = parseLinkMessage(message.data);
    if (read === undefined) {
      this.lost(); // Empty: the server says that nobody listens at the owner's subject.
      return;
    }
    this.#heardMs = performance.now();
    if (read.position !== this.#received) this.lost();
    else if (read.kind === linkKinds.data) {
      this.#received += read.body.length;
      this.#listener.bytes(read.body);
    } else if (read.kind === linkKinds.end && this.#over()) this.#listener.ended();
  }

  #pulse(): void {
    if (performance.now() - this.#heardMs > this.#silenceMs) this.lost();
    else this.#tellTaken();
  }

  #tellTaken(): void {
    this.#told = this.#taken;
    this.#tell(linkKinds.taken, this.#taken);
  }

  #tell(kind: number, position: number, body?: Uint8Array): void {
    publish(this.#connection, this.#owner, formatLinkMessage(kind, position, body), this.#inbox);
  }

  #over(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    clearInterval(this.#timer);
    if (!this.#connection.isClosed()) this.#subscription.unsubscribe();
    this.#onOver();
    return true;
  }
}

function subjectOf(instance: string): string {
  return `${subjectRoot}.${instance}`;
}

function publish(connection: NatsConnection, subject: string, data: Uint8Array, reply?: string): void {
  try {
    connection.publish(subject, data, reply === undefined ? {} : { reply });
  } catch {
    // The connection is closing: the other end sees the silence.
  }
}
