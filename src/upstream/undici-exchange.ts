// One request and its answer, as undici's callbacks tell it. Keeps the promise of the port: one end, nothing after
// `abort`, bytes as the provider meant them.
//
// Bytes: with the llhttp parser undici hands out a view of the buffer that Node allocated for that one socket read, and
// never writes to it again, so the receiver may keep it (a small piece kept keeps its whole read, at most 64 KiB).
import type { Socket } from "node:net";
import type { Dispatcher } from "undici";
import type { HttpHeaders, HttpRequest } from "../domain/http.ts";
import { ProviderFailure } from "../domain/provider-failure.ts";
import { type ExchangePhase, toConnectionFailure } from "./connection-failure.ts";
import { createDecompressor, type Decompressor, isCoded } from "./decompressor.ts";
import type { Exchange, ExchangeHandler } from "./upstream.ts";

/** The pool that lends the exchange its place. */
export interface ExchangeOwner {
  /** The exchange needs its place no more; called exactly once. */
  release(exchange: UndiciExchange): void;
}

/** Why we end a connection ourselves. One object for all: undici wants an error, and nobody reads its stack. */
const abortReason = new Error("the gateway ended the exchange");

export class UndiciExchange implements Exchange, Dispatcher.DispatchHandler {
  readonly request: HttpRequest;
  readonly #handler: ExchangeHandler;
  readonly #owner: ExchangeOwner;
  #controller: Dispatcher.DispatchController | undefined;
  /** Until the request is on its way: the connection that is being opened for it. */
  #connecting: Socket | undefined;
  #decompressor: Decompressor | undefined;
  #phase: ExchangePhase = "waiting";
  /** "failing": the failure is on its way to the handler. "over": the handler hears nothing more. */
  #state: "open" | "failing" | "over" = "open";
  #released = false;
  #paused = false;
  #decompressorFull = false;

  constructor(request: HttpRequest, handler: ExchangeHandler, owner: ExchangeOwner) {
    this.request = request;
    this.#handler = handler;
    this.#owner = owner;
  }

  abort(): void {
    if (this.#state === "over") return;
    this.#state = "over";
    this.#decompressor?.destroy();
    this.#controller?.abort(abortReason);
    this.#connecting?.destroy(abortReason);
    this.#release();
  }

  connecting(socket: Socket): void {
    this.#connecting = socket;
  }

  pause(): void {
    this.#paused = true;
    this.#decompressor?.pause();
    this.#controller?.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#decompressor?.resume();
    this.#resumeReading();
  }

  /**
   * Ends the exchange from our side. The handler hears it in a microtask, since a request that cannot even start must not
   * fail before `dispatch` has returned.
   */
  fail(failure: ProviderFailure): void {
    if (this.#state !== "open") return;
    this.#state = "failing";
    this.#decompressor?.destroy();
    this.#controller?.abort(abortReason);
    this.#release();
    queueMicrotask(() => {
      if (this.#state !== "failing") return;
      this.#state = "over";
      this.#handler.onFailure(failure);
    });
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    this.#connecting = undefined;
    if (this.#state !== "open") controller.abort(abortReason);
    else if (this.#paused) controller.pause();
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    rawHeaders: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    // Interim answers, e.g. 103; not the answer.
    if (status < 200 || this.#state !== "open") return;
    this.#phase = "answering";
    const headers = toHttpHeaders(rawHeaders);
    // Each is a view of what the socket read: 2.9 kB that a long stream would hold to its end.
    controller.rawHeaders = null;
    const coding = headers["content-encoding"];
    if (!isCoded(coding)) {
      this.#handler.onStart(status, headers);
      return;
    }
    this.#decompressor = createDecompressor(coding, {
      onData: (bytes) => this.#handler.onData(bytes),
      onEnd: () => this.#end(),
      onFailure: (failure) => this.fail(failure),
      onDrain: () => {
        this.#decompressorFull = false;
        this.#resumeReading();
      },
    });
    if (this.#decompressor === undefined) {
      this.fail(
        new ProviderFailure("bad-response", "the answer has a content coding that we do not know", {
          httpStatus: status,
        }),
      );
      return;
    }
    if (this.#paused) this.#decompressor.pause();
    this.#handler.onStart(status, withoutCoding(headers));
  }

  onResponseData(controller: Dispatcher.DispatchController, bytes: Buffer): void {
    if (this.#state !== "open") return;
    if (this.#decompressor === undefined) {
      this.#handler.onData(bytes);
      return;
    }
    if (this.#decompressor.write(bytes)) return;
    this.#decompressorFull = true;
    controller.pause();
  }

  onResponseEnd(): void {
    this.#controller = undefined;
    this.#release();
    if (this.#state !== "open") return;
    if (this.#decompressor === undefined) this.#end();
    else this.#decompressor.end();
  }

  onResponseError(_controller: unknown, error: Error): void {
    this.#controller = undefined;
    this.#connecting = undefined;
    this.fail(toConnectionFailure(error, this.#phase));
    this.#release();
  }

  #end(): void {
    this.#state = "over";
    this.#handler.onEnd();
  }

  /**
   * In a microtask, since undici's parser cannot be resumed from inside a callback of another connection's parser. By
   * then the reason to wait may be back.
   */
  #resumeReading(): void {
    queueMicrotask(() => {
      if (!this.#paused && !this.#decompressorFull) this.#controller?.resume();
    });
  }

  #release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#owner.release(this);
  }
}

/** Lower-case names, repeated values joined; HTTP/2 pseudo headers left out. */
function toHttpHeaders(raw: Readonly<Record<string, string | string[] | undefined>>): HttpHeaders {
  const headers: Record<string, string> = {};
  for (const name in raw) {
    const value = raw[name];
    if (value === undefined || name.startsWith(":")) continue;
    headers[name] = typeof value === "string" ? value : value.join(", ");
  }
  return headers;
}

/** After decompression the coding and the length of the coded bytes no longer describe the body. */
function withoutCoding(headers: HttpHeaders): HttpHeaders {
  const { "content-encoding": _coding, "content-length": _length, ...rest } = headers;
  return rest;
}
