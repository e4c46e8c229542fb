// One port for gRPC, gRPC-Web, Connect, JSON and probes, in clear text or under TLS: a listening socket looks at the first
// bytes and hands the connection to Node's HTTP/1.1 server, which never listens itself, or to our HTTP/2.
import { createServer as createHttp1Server, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { createServer as createTlsServer, type SecureContextOptions, type Server as TlsServer } from "node:tls";
import { answerClientError } from "./answer-client-error.ts";
import { type ConnectionSource, createListener } from "./connection-source.ts";
import { type HandshakeRefusal, toHandshakeRefusal } from "./handshake-refusal.ts";
import { Connection, type RequestHandler } from "./http2/connection.ts";
import { sniff } from "./sniff.ts";

export type PortOptions = {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Tries the next ports, up to 20, when the one wanted is taken. Default false. */
  readonly nextFreePort?: boolean | undefined;
  /** `undefined`: clear text. With it, clear text is refused. */
  readonly tls?: TlsOptions | undefined;
  readonly maxConnections: number;
  readonly maxStreamsPerConnection: number;
  readonly timeouts?: Partial<PortTimeouts> | undefined;
  /** Instead of a listening socket of its own; `host`, `port` and `maxConnections` are then another's business. */
  readonly connections?: ConnectionSource | undefined;
};

export type TlsOptions = {
  /** PEM. */
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
  /** PEM. Set: a client needs a certificate that one of these signed. */
  readonly clientCa?: string | Buffer | undefined;
};

export type PortTimeouts = {
  /** Until the first bytes of a connection, and for its TLS handshake. Default 10 s. */
  readonly firstByteMs: number;
  /** For the headers of an HTTP/1.1 request. Default 20 s. */
  readonly headersMs: number;
  /** For a whole HTTP/1.1 request with its body. Default 5 min. */
  readonly requestMs: number;
  /** Between two PINGs of an HTTP/2 connection. Default 30 s. */
  readonly pingIntervalMs: number;
  /** For the answer to a PING. Default 20 s. */
  readonly pingTimeoutMs: number;
};

const defaultTimeouts: PortTimeouts = {
  firstByteMs: 10_000,
  headersMs: 20_000,
  requestMs: 300_000,
  pingIntervalMs: 30_000,
  pingTimeoutMs: 20_000,
};

/** `streamWindowBytes` and `connectionWindowBytes` let large prompts arrive without a round trip for every 64 KiB. */
const limits = {
  http1HeaderBytesMax: 32 * 1024,
  http2HeaderListBytesMax: 64 * 1024,
  streamWindowBytes: 256 << 10,
  connectionWindowBytes: 8 << 20,
  lastWordsMs: 500,
} as const;

export type PortHandlers = {
  readonly onStream: RequestHandler;
  readonly onRequest: (request: IncomingMessage, response: ServerResponse) => void;
  /** What came is no request, e.g. two bodies in one; it was refused before any method. Must not throw. */
  readonly onMalformed: () => void;
  /** A client got no TLS connection, or spoke no TLS on a port that takes nothing else. Must not throw. */
  readonly onHandshakeRefused: (because: HandshakeRefusal) => void;
  /** The drain time is over: end what still runs, now. */
  readonly onDrained: () => void;
};

export class Port {
  readonly #options: PortOptions;
  readonly #handlers: PortHandlers;
  readonly #timeouts: PortTimeouts;
  readonly #source: ConnectionSource;
  readonly #http1: Server;
  readonly #tls: TlsServer | undefined;
  readonly #sockets = new Set<Socket>();
  readonly #connections = new Set<Connection>();
  /** Connections that have not said what they speak. */
  readonly #strangers = new Set<Socket>();
  #isClosing = false;

  constructor(options: PortOptions, handlers: PortHandlers) {
    this.#options = options;
    this.#handlers = handlers;
    this.#timeouts = { ...defaultTimeouts, ...options.timeouts };
    this.#http1 = this.#createHttp1();
    this.#tls = options.tls === undefined ? undefined : this.#createTls(options.tls);
    this.#source = options.connections ?? createListener(options);
  }

  /** Rejects with a sentence that names the port when it cannot be had. */
  listen(): Promise<Pick<AddressInfo, "address" | "port">> {
    return this.#source.open((socket) => this.#greet(socket));
  }

  /** For connections from now on; throws, with all as it was, when they are no certificates. */
  useCertificates(tls: TlsOptions): void {
    if (this.#tls === undefined) {
      throw new Error("the port has no TLS");
    }
    this.#tls.setSecureContext(toSecureContext(tls));
  }

  /**
   * Stops listening, tells every client to go elsewhere and lets calls run on for `drainMs`; what is left then is ended.
   * Resolves when the last connection is closed.
   */
  async close(drainMs: number): Promise<void> {
    this.#isClosing = true;
    this.#source.close();
    for (const socket of this.#strangers) {
      socket.destroy();
    }
    for (const connection of this.#connections) {
      connection.close();
    }
    if (!(await this.#isEmptyWithin(drainMs))) {
      this.#handlers.onDrained();
      await this.#isEmptyWithin(limits.lastWordsMs);
    }
    for (const socket of this.#sockets) {
      socket.destroy();
    }
    // Ends its check of slow requests; it never listened, which is all that it could complain about.
    this.#http1.close(() => undefined);
  }

  #greet(socket: Socket): void {
    this.#sockets.add(socket);
    this.#strangers.add(socket);
    socket.on("close", () => {
      this.#sockets.delete(socket);
      this.#strangers.delete(socket);
    });
    // A reset by the peer is followed by "close", where it is handled.
    socket.on("error", () => undefined);
    sniff(socket, this.#timeouts.firstByteMs, (protocol) => {
      this.#strangers.delete(socket);
      if (this.#isClosing || (protocol === "tls") !== (this.#tls !== undefined)) {
        if (!this.#isClosing && this.#tls !== undefined) this.#handlers.onHandshakeRefused("not-spoken");
        refuse(socket, protocol);
      } else if (this.#tls !== undefined) {
        this.#tls.emit("connection", socket);
      } else {
        this.#serve(socket, protocol === "http2");
      }
    });
  }

  #createTls(tls: TlsOptions): TlsServer {
    const clients = tls.clientCa === undefined ? {} : { requestCert: true, rejectUnauthorized: true };
    const server = createTlsServer({
      ...toSecureContext(tls),
      ...clients,
      ALPNProtocols: ["h2", "http/1.1"],
      handshakeTimeout: this.#timeouts.firstByteMs,
    });
    server.on("secureConnection", (socket) => {
      socket.on("error", () => undefined);
      this.#serve(socket, socket.alpnProtocol === "h2");
    });
    // A failed handshake has closed its socket.
    server.on("tlsClientError", (error: NodeJS.ErrnoException, socket) => {
      if (!this.#isClosing) this.#handlers.onHandshakeRefused(toHandshakeRefusal(error, socket));
    });
    return server;
  }

  #createHttp1(): Server {
    const server = createHttp1Server(
      {
        maxHeaderSize: limits.http1HeaderBytesMax,
        headersTimeout: this.#timeouts.headersMs,
        requestTimeout: this.#timeouts.requestMs,
        connectionsCheckingInterval: Math.min(5000, this.#timeouts.headersMs),
      },
      (request, response) => {
        if (this.#isClosing) {
          response.setHeader("connection", "close");
        }
        this.#handlers.onRequest(request, response);
      },
    );
    server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
      if (error.code !== "ECONNRESET") this.#handlers.onMalformed();
      answerClientError(error, socket);
    });
    // A server that never listens checks no timeouts, and half a request would hold its connection for ever.
    server.emit("listening");
    return server;
  }

  #serve(socket: Socket, isHttp2: boolean): void {
    if (!isHttp2) {
      this.#http1.emit("connection", socket);
      return;
    }
    const options = {
      maxStreams: this.#options.maxStreamsPerConnection,
      streamWindowBytes: limits.streamWindowBytes,
      connectionWindowBytes: limits.connectionWindowBytes,
      headerListBytesMax: limits.http2HeaderListBytesMax,
      pingIntervalMs: this.#timeouts.pingIntervalMs,
      pingTimeoutMs: this.#timeouts.pingTimeoutMs,
      onMalformed: this.#handlers.onMalformed,
    };
    const connection = new Connection(socket, options, this.#handlers.onStream);
    this.#connections.add(connection);
    socket.on("close", () => this.#connections.delete(connection));
  }

  /** HTTP/1.1 connections do not say when their response is done: they are looked at until all have gone. */
  async #isEmptyWithin(delayMs: number): Promise<boolean> {
    const deadline = performance.now() + delayMs;
    while (this.#sockets.size > 0 && performance.now() < deadline) {
      this.#http1.closeIdleConnections();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return this.#sockets.size === 0;
  }
}

function toSecureContext({ cert, key, clientCa }: TlsOptions): SecureContextOptions {
  return clientCa === undefined ? { cert, key } : { cert, key, ca: clientCa };
}

/** As Go's server does, a client that speaks clear text to a TLS port is told so, if it is HTTP/1.1. */
function refuse(socket: Socket, protocol: string): void {
  if (protocol === "http1") {
    const text = "this port takes TLS only\n";
    const head = `HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: ${text.length}\r\n`;
    socket.end(`${head}connection: close\r\n\r\n${text}`);
    socket.setTimeout(1000, () => socket.destroy());
    socket.resume();
    return;
  }
  socket.destroy();
}
