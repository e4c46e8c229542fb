// Questions, answers and news between two processes over Node's IPC. Values cross as structured clones, in order.
import type { ChildProcess } from "node:child_process";
import type { EventEmitter } from "node:events";
import { Socket } from "node:net";

type AsksOf<All> = { readonly [Name in keyof All]: { readonly body: unknown; readonly answer: unknown } };

export type Handlers<HeardAsks extends AsksOf<HeardAsks>, HeardNews> = {
  readonly answer: {
    readonly [Name in keyof HeardAsks]: (
      body: HeardAsks[Name]["body"],
    ) => HeardAsks[Name]["answer"] | Promise<HeardAsks[Name]["answer"]>;
  };
  readonly hear: { readonly [Name in keyof HeardNews]: (body: HeardNews[Name], socket: Socket | undefined) => void };
};

/** What came: `never` is whatever the name says, since both ends are the same program. */
type Frame =
  | { readonly kind: "ask"; readonly id: number; readonly name: never; readonly body: never }
  | { readonly kind: "news"; readonly name: never; readonly body: never }
  | { readonly kind: "answer"; readonly id: number; readonly value: never }
  | { readonly kind: "failure"; readonly id: number; readonly message: string };

type Waiting = { readonly resolve: (value: never) => void; readonly reject: (error: Error) => void };

/** One side of the pipe between two processes. */
export type Peer = {
  isConnected(): boolean;
  send(message: object, socket: Socket | undefined, sent: (error: Error | null) => void): void;
  onMessage(listener: (frame: Frame, handle: unknown) => void): void;
  onEnd(listener: () => void): void;
};

/** A child, as its parent sees it. */
export function peerOf(child: ChildProcess): Peer {
  return {
    isConnected: () => child.connected,
    send: (message, socket, sent) => void child.send(message, socket, {}, sent),
    onMessage: (listener) => void child.on("message", listener),
    onEnd: (listener) => void child.on("disconnect", listener),
  };
}

/** The process that started this one. */
export function parentPeer(): Peer {
  const events: EventEmitter = process;
  return {
    isConnected: () => process.connected,
    send: (message, socket, sent) => void process.send?.(message, socket, {}, sent),
    onMessage: (listener) => void events.on("message", listener),
    onEnd: (listener) => void events.on("disconnect", listener),
  };
}

const limits = { waitingMax: 50_000 } as const;

export class Channel<ToldAsks extends AsksOf<ToldAsks>, ToldNews, HeardAsks extends AsksOf<HeardAsks>, HeardNews> {
  readonly #peer: Peer;
  readonly #handlers: Handlers<HeardAsks, HeardNews>;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  #isEnded = false;

  constructor(peer: Peer, handlers: Handlers<HeardAsks, HeardNews>) {
    this.#peer = peer;
    this.#handlers = handlers;
    peer.onMessage((frame, handle) => this.#onFrame(frame, handle));
    peer.onEnd(() => this.end());
  }

  /** Rejects when the other process ends, does not answer within `timeoutMs`, or says why it cannot answer. */
  ask<Name extends keyof ToldAsks & string>(
    name: Name,
    body: ToldAsks[Name]["body"],
    timeoutMs?: number,
  ): Promise<ToldAsks[Name]["answer"]> {
    if (this.#isEnded || this.#waiting.size >= limits.waitingMax) {
      return Promise.reject(
        new Error(this.#isEnded ? "the other process has ended" : "too many questions are waiting"),
      );
    }
    const id = this.#nextId;
    this.#nextId += 1;
    return new Promise((resolve, reject) => {
      const timer =
        timeoutMs === undefined
          ? undefined
          : setTimeout(() => this.#take(id)?.reject(new Error("the other process does not answer")), timeoutMs);
      const settled = () => clearTimeout(timer);
      this.#waiting.set(id, {
        resolve: (value) => {
          settled();
          resolve(value);
        },
        reject: (error) => {
          settled();
          reject(error);
        },
      });
      this.#send({ kind: "ask", id, name, body }, undefined, (error) => {
        if (error !== null) this.#take(id)?.reject(error);
      });
    });
  }

  /** Nobody hears whether it arrived. */
  tell<Name extends keyof ToldNews & string>(name: Name, body: ToldNews[Name]): void {
    this.#send({ kind: "news", name, body }, undefined, () => undefined);
  }

  /** Gives a socket away: it is no more of this process. `sent` hears whether it has left. */
  pass<Name extends keyof ToldNews & string>(
    name: Name,
    body: ToldNews[Name],
    socket: Socket,
    sent: (error: Error | null) => void,
  ): void {
    this.#send({ kind: "news", name, body }, socket, sent);
  }

  /** Who waits for an answer is told that none will come. */
  end(): void {
    this.#isEnded = true;
    for (const { reject } of this.#waiting.values()) reject(new Error("the other process has ended"));
    this.#waiting.clear();
  }

  #send(frame: object, socket: Socket | undefined, sent: (error: Error | null) => void): void {
    if (this.#isEnded || !this.#peer.isConnected()) {
      sent(new Error("the other process has ended"));
      return;
    }
    this.#peer.send(frame, socket, sent);
  }

  #onFrame(frame: Frame, handle: unknown): void {
    switch (frame.kind) {
      case "ask":
        void this.#reply(frame.id, this.#handlers.answer[frame.name], frame.body); // Its failure is an answer, too.
        return;
      case "news": {
        const hear: (body: never, socket: Socket | undefined) => void = this.#handlers.hear[frame.name];
        hear(frame.body, handle instanceof Socket ? handle : undefined);
        return;
      }
      case "answer":
        this.#take(frame.id)?.resolve(frame.value);
        return;
      case "failure":
        this.#take(frame.id)?.reject(new Error(frame.message));
    }
  }

  async #reply(id: number, answer: (body: never) => unknown, body: never): Promise<void> {
    try {
      const value = answer(body);
      // At once where it is known at once: an answer must not be overtaken by what is said after it.
      this.#answer(id, value instanceof Promise ? await value : value);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#send({ kind: "failure", id, message }, undefined, () => undefined);
    }
  }

  #answer(id: number, value: unknown): void {
    this.#send({ kind: "answer", id, value }, undefined, () => undefined);
  }

  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }
}
