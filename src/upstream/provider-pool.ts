// Connections to one origin for one provider, and the requests that wait for one. The waiting line is ours and not
// undici's: bounded, first come first served, and an aborted request leaves it without costing a connection.
import { Socket } from "node:net";
import { rootCertificates } from "node:tls";
import { buildConnector, Pool } from "undici";
import type { HttpRequest } from "../domain/http.ts";
import { ProviderFailure } from "../domain/provider-failure.ts";
import { type ExchangeOwner, UndiciExchange } from "./undici-exchange.ts";
import type { Exchange, ExchangeHandler } from "./upstream.ts";

export type ProviderPoolOptions = {
  readonly maxConnections: number;
  readonly http2: boolean;
  readonly connectTimeoutMs: number;
  /** Requests that may wait for a connection. */
  readonly waitingMax: number;
  readonly responseHeaderBytesMax: number;
  /** How long an unused connection is kept, unless the provider says less. */
  readonly keepAliveMs: number;
  /** HTTP/2: streams on one connection, unless the provider says less. */
  readonly streamsPerConnectionMax: number;
  /** PEM certificates trusted beside Node's own. */
  readonly trustedCertificates: readonly string[];
};

/** What a caller is told to wait when the line is full: about the time in which some exchange ends. */
const overloadedRetryAfterMs = 1_000;

export class ProviderPool implements ExchangeOwner {
  readonly #pool: Pool;
  readonly #runningMax: number;
  readonly #waitingMax: number;
  readonly #waiting = new Set<UndiciExchange>();
  #running = 0;
  /** The exchange for which undici may be opening a connection right now. */
  #starting: UndiciExchange | undefined;
  #onIdle: (() => void) | undefined;
  #closed: Promise<void> | undefined;

  constructor(origin: string, options: ProviderPoolOptions) {
    this.#runningMax = options.http2
      ? options.maxConnections * options.streamsPerConnectionMax
      : options.maxConnections;
    this.#waitingMax = options.waitingMax;
    this.#pool = new Pool(origin, { ...toPoolOptions(options), connect: this.#toConnector(origin, options) });
  }

  dispatch(request: HttpRequest, handler: ExchangeHandler): Exchange {
    const exchange = new UndiciExchange(request, handler, this);
    if (this.#closed !== undefined) {
      this.#refuse(exchange, new ProviderFailure("unavailable", "the gateway is closing its connections"));
    } else if (this.#running < this.#runningMax) {
      this.#start(exchange);
    } else if (this.#waiting.size < this.#waitingMax) {
      this.#waiting.add(exchange);
    } else {
      const facts = { retryAfterMs: overloadedRetryAfterMs };
      const message = "too many requests wait for a connection to this provider";
      this.#refuse(exchange, new ProviderFailure("overloaded", message, facts));
    }
    return exchange;
  }

  release(exchange: UndiciExchange): void {
    // Given up while it waited: it had no place to give back.
    if (this.#waiting.delete(exchange)) return;
    this.#running -= 1;
    const next = this.#waiting.values().next();
    if (next.done !== true) {
      this.#waiting.delete(next.value);
      this.#start(next.value);
    } else if (this.#running === 0) {
      this.#onIdle?.();
    }
  }

  /** Takes no new request, waits for those under way, closes the connections. */
  close(): Promise<void> {
    this.#closed ??= this.#whenIdle().then(() => this.#pool.destroy());
    return this.#closed;
  }

  /** For a moment it stands among those that wait: like them it has no place to give back. */
  #refuse(exchange: UndiciExchange, failure: ProviderFailure): void {
    this.#waiting.add(exchange);
    exchange.fail(failure);
  }

  #whenIdle(): Promise<void> {
    if (this.#running === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onIdle = resolve;
    });
  }

  #start(exchange: UndiciExchange): void {
    this.#running += 1;
    const { method, path, headers, body } = exchange.request;
    this.#starting = exchange;
    this.#pool.dispatch(
      { method, path, headers: withIdentity(headers), body: method === "GET" ? null : body },
      exchange,
    );
    this.#starting = undefined;
  }

  /**
   * Tells an exchange of the connection that is opened for it, so that an abort need not wait for the connection to
   * stand. Not with HTTP/2, where others may wait for the same one.
   */
  #toConnector(origin: string, options: ProviderPoolOptions): buildConnector.connector {
    const connect = buildConnector(toConnectorOptions(origin, options));
    return (target, callback) => {
      const socket: unknown = connect(target, callback);
      if (!options.http2 && socket instanceof Socket) this.#starting?.connecting(socket);
    };
  }
}

/** Compression costs CPU on both sides and delays the pieces of a stream. */
function withIdentity(headers: HttpRequest["headers"]): Record<string, string> {
  return { ...headers, "accept-encoding": headers["accept-encoding"] ?? "identity" };
}

function toPoolOptions(options: ProviderPoolOptions): Pool.Options {
  return {
    connections: options.maxConnections,
    pipelining: 1,
    keepAliveTimeout: options.keepAliveMs,
    // The life of a call has its own time-outs (first token, idle, total); undici's would be a second opinion.
    headersTimeout: 0,
    bodyTimeout: 0,
    maxHeaderSize: options.responseHeaderBytesMax,
    // The ownership of bytes promised in undici-exchange.ts holds for llhttp.
    useMilo: false,
    allowH2: options.http2,
    ...(options.http2 ? { maxConcurrentStreams: options.streamsPerConnectionMax } : {}),
  };
}

function toConnectorOptions(origin: string, options: ProviderPoolOptions): ConnectorOptions {
  const { http2, connectTimeoutMs, trustedCertificates } = options;
  return {
    timeout: connectTimeoutMs,
    allowH2: http2,
    useH2c: http2 && origin.startsWith("http:"),
    ...(trustedCertificates.length > 0 ? { ca: [...rootCertificates, ...trustedCertificates] } : {}),
  };
}

/** undici's types leave out that HTTP/2 may be spoken in clear text. */
type ConnectorOptions = buildConnector.BuildOptions & { readonly useH2c?: boolean };
