// The listening side put together, for any table of methods: which path takes a request, and how it all ends.
import { IncomingMessage } from "node:http";
import type { IncomingHttpHeaders } from "node:http2";
import type { ConnectRouter } from "@connectrpc/connect";
import { ErrorReason, health } from "../contract.ts";
import { CallFailure } from "../domain/call-failure.ts";
import type { Gateway } from "../pipeline/ports.ts";
import { createConnectListener } from "./connect/create-connect-listener.ts";
import { GrpcCalls } from "./grpc/grpc-calls.ts";
import type { GrpcMethod } from "./grpc/grpc-method.ts";
import { GrpcReply } from "./grpc/grpc-reply.ts";
import type { HandshakeRefusal } from "./handshake-refusal.ts";
import { registerHealth } from "./health.ts";
import { answerHttp, type MetricsSource, sendText } from "./http-endpoints.ts";
import type { RequestHandler } from "./http2/connection.ts";
import { Http2Request } from "./http2/plain/http2-request.ts";
import { servePlain } from "./http2/plain/serve-plain.ts";
import type { Stream } from "./http2/stream.ts";
import { joinCredentials } from "./join-credentials.ts";
import type { NodeRequest, NodeResponse } from "./node-http.ts";
import { Port, type PortOptions, type TlsOptions } from "./port.ts";
import { registerReflection } from "./reflection.ts";
import type { ServerLogger } from "./server-logger.ts";
import { ServingState } from "./serving-state.ts";
import { shuttingDown } from "./shutting-down.ts";

export type ServerOptions = PortOptions & {
  /** Largest message, in bytes. */
  readonly maxRequestBytes: number;
};

export type ServerHooks = {
  readonly logger: ServerLogger;
  readonly metrics: MetricsSource;
  /** False: /readyz says 503 and health says NOT_SERVING; calls are still served. Must not throw. */
  readonly isReady: () => boolean;
  /** What came was refused before any method saw it: no request, or one with too many headers. Must not throw. */
  readonly onRefused?: ((because: "malformed" | "headers-too-large") => void) | undefined;
  /** A client got no TLS connection. Must not throw. */
  readonly onHandshakeRefused?: ((because: HandshakeRefusal) => void) | undefined;
};

export interface RunningServer {
  /** The address bound, e.g. "127.0.0.1". */
  readonly address: string;
  readonly port: number;
  /** For connections from now on; throws, with all as it was, when they cannot be used. Only for a server with TLS. */
  useCertificates(tls: TlsOptions): void;
  /** Takes nothing new; resolves when all calls have ended, at the latest shortly after `drainMs`. */
  close(drainMs: number): Promise<void>;
}

/** Longer headers are answered with PAYLOAD_TOO_LARGE; credentials, trace context and baggage fit many times. */
const headerBytesMax = 32 * 1024;

/** What is refused is answered in this type: what the caller wrote may be anything. */
const grpcType = "application/grpc";

/** What is served. */
export type ServedCalls = {
  /** On the own gRPC path, by `:path`. */
  readonly grpcMethods: ReadonlyMap<string | undefined, GrpcMethod>;
  /** Opens the calls of `InferenceService` that come another way. */
  readonly gateway: Gateway;
  /** Everything that comes another way. Health and reflection, which are added here, list what is registered. */
  readonly register: (router: ConnectRouter, state: ServingState) => void;
};

/** Rejects with a sentence for the operator when the port cannot be had. */
export async function serveCalls(
  options: ServerOptions,
  { grpcMethods, gateway, register }: ServedCalls,
  { logger, metrics, isReady, onRefused, onHandshakeRefused }: ServerHooks,
): Promise<RunningServer> {
  const state = new ServingState(isReady);
  const shutdown = new AbortController();
  const { maxRequestBytes } = options;
  const grpcCalls = new GrpcCalls({ methods: grpcMethods, maxRequestBytes, logger });
  const connect = createConnectListener({
    gateway,
    logger,
    maxRequestBytes,
    shutdownSignal: shutdown.signal,
    register: (router) => registerAll(router, register, state),
  });

  const onRequest = (request: NodeRequest, response: NodeResponse) => {
    if (request instanceof IncomingMessage) {
      joinCredentials(request.headers, request.rawHeaders);
    }
    if (request.httpVersionMajor < 2 && isGrpc(request.headers)) {
      sendText(response, 505, "gRPC needs HTTP/2; gRPC-Web and Connect are served over HTTP/1.1\n");
    } else if (!connect(request, response) && !answerHttp(request, response, state, metrics)) {
      answerUnknown(request, response);
    }
  };
  const onStream: RequestHandler = (stream, headers, { headerBytes }) => {
    if (headerBytes > headerBytesMax) {
      onRefused?.("headers-too-large");
      refuseHeaders(stream, headers);
    } else if (!grpcCalls.accept(stream, headers)) {
      servePlain(stream, headers, onRequest);
    }
  };
  const onDrained = () => {
    const failure = shuttingDown();
    grpcCalls.endAll(failure);
    shutdown.abort(failure);
  };

  const onMalformed = () => onRefused?.("malformed");
  const port = new Port(options, {
    onRequest,
    onStream,
    onMalformed,
    onHandshakeRefused: (because) => onHandshakeRefused?.(because),
    onDrained,
  });
  const bound = await port.listen();
  return {
    address: bound.address,
    port: bound.port,
    useCertificates: (tls) => port.useCertificates(tls),
    close: (drainMs) => {
      state.drain();
      return port.close(drainMs);
    },
  };
}

function registerAll(router: ConnectRouter, register: ServedCalls["register"], state: ServingState): void {
  register(router, state);
  const registered = [...new Set(router.handlers.map(({ service }) => service))];
  registerHealth(
    router,
    state,
    registered.map(({ typeName }) => typeName),
  );
  registerReflection(router, [...registered, health.Health]);
}

/** A method that does not exist is UNIMPLEMENTED for gRPC clients, with the details that every failure has. */
function answerUnknown(request: NodeRequest, response: NodeResponse): void {
  if (request instanceof Http2Request && isGrpc(request.headers)) {
    const failure = new CallFailure(ErrorReason.FEATURE_DISABLED, "no such method");
    new GrpcReply(request.stream, grpcType).fail(failure);
    return;
  }
  sendText(response, 404, "not found\n");
}

/** Not gRPC-Web, whose type begins alike. */
function isGrpc(headers: IncomingHttpHeaders): boolean {
  return /^application\/grpc(?:$|[+;])/.test(headers["content-type"] ?? "");
}

function refuseHeaders(stream: Stream, headers: IncomingHttpHeaders): void {
  const contentType = headers["content-type"] ?? "";
  if (contentType.startsWith("application/grpc")) {
    const description = `the request headers are longer than ${headerBytesMax} bytes`;
    const failure = new CallFailure(ErrorReason.PAYLOAD_TOO_LARGE, description, {
      violations: [{ field: "", description }],
    });
    new GrpcReply(stream, grpcType).fail(failure);
    return;
  }
  stream.respond({ ":status": 431 }, true);
}
