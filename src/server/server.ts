// The listening side put together: which path takes a request, and how it all ends.
import {
  constants,
  Http2ServerRequest,
  Http2ServerResponse,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import type { ConnectRouter } from "@connectrpc/connect";
import { ErrorReason, health } from "../contract.ts";
import { CallFailure } from "../domain/call-failure.ts";
import { createConnectListener } from "./connect/create-connect-listener.ts";
import { registerServices } from "./connect/register-services.ts";
import { ServiceCalls } from "./connect/service-calls.ts";
import { GrpcCalls } from "./grpc/grpc-calls.ts";
import { GrpcReply } from "./grpc/grpc-reply.ts";
import { registerHealth } from "./health.ts";
import { answerHttp, type MetricsSource, sendText } from "./http-endpoints.ts";
import type { NodeRequest, NodeResponse } from "./node-http.ts";
import { Port, type PortOptions } from "./port.ts";
import { registerReflection } from "./reflection.ts";
import type { ServerLogger } from "./server-logger.ts";
import type { Services } from "./services.ts";
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
};

export interface RunningServer {
  /** The address bound, e.g. "127.0.0.1". */
  readonly address: string;
  readonly port: number;
  /** Takes nothing new; resolves when all calls have ended, at the latest shortly after `drainMs`. */
  close(drainMs: number): Promise<void>;
}

/** Longer headers are answered with PAYLOAD_TOO_LARGE; credentials, trace context and baggage fit many times. */
const headerBytesMax = 32 * 1024;

/** Rejects with a sentence for the operator when the port cannot be had. */
export async function startServer(
  options: ServerOptions,
  services: Services,
  { logger, metrics, isReady }: ServerHooks,
): Promise<RunningServer> {
  const state = new ServingState(isReady);
  const shutdown = new AbortController();
  const { maxRequestBytes } = options;
  const grpcCalls = new GrpcCalls({ gateway: services.gateway, maxRequestBytes, logger });
  const register = (router: ConnectRouter) => registerAll(router, services, state, logger);
  const connect = createConnectListener({
    services,
    logger,
    maxRequestBytes,
    shutdownSignal: shutdown.signal,
    register,
  });

  const onRequest = (request: NodeRequest, response: NodeResponse) => {
    if (isGrpcOverHttp1(request)) {
      sendText(response, 505, "gRPC needs HTTP/2; gRPC-Web and Connect are served over HTTP/1.1\n");
    } else if (!connect(request, response) && !answerHttp(request, response, state, metrics)) {
      answerUnknown(request, response);
    }
  };
  const onStream = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, rawHeaders: string[]) => {
    // A stream that is reset says so as "error"; who needs to know listens to "close".
    stream.on("error", () => undefined);
    if (isTooLong(rawHeaders)) {
      refuseHeaders(stream, headers);
    } else if (!grpcCalls.accept(stream, headers)) {
      const request = new Http2ServerRequest(stream, headers, {}, rawHeaders);
      const response = new Http2ServerResponse(stream);
      onRequest(request, response);
    }
  };
  const onDrained = () => {
    const failure = shuttingDown();
    grpcCalls.endAll(failure);
    shutdown.abort(failure);
  };

  const port = new Port(options, { onRequest, onStream, onDrained });
  const bound = await port.listen();
  return {
    address: bound.address,
    port: bound.port,
    close: (drainMs) => {
      state.drain();
      return port.close(drainMs);
    },
  };
}

function registerAll(router: ConnectRouter, services: Services, state: ServingState, logger: ServerLogger): void {
  registerServices(router, services, new ServiceCalls(services, logger, state.drainSignal));
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
  const contentType = request.headers["content-type"] ?? "";
  if (request instanceof Http2ServerRequest && /^application\/grpc(?:$|[+;])/.test(contentType)) {
    const failure = new CallFailure(ErrorReason.FEATURE_DISABLED, "no such method");
    new GrpcReply(request.stream, contentType).fail(failure);
    return;
  }
  sendText(response, 404, "not found\n");
}

function isGrpcOverHttp1({ httpVersionMajor, headers }: NodeRequest): boolean {
  const contentType = headers["content-type"] ?? "";
  return httpVersionMajor < 2 && /^application\/grpc(?:$|[+;])/.test(contentType);
}

function isTooLong(rawHeaders: readonly string[]): boolean {
  return rawHeaders.reduce((bytes, text) => bytes + text.length, 0) > headerBytesMax;
}

function refuseHeaders(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
  const contentType = headers["content-type"] ?? "";
  if (contentType.startsWith("application/grpc")) {
    const description = `the request headers are longer than ${headerBytesMax} bytes`;
    const failure = new CallFailure(ErrorReason.PAYLOAD_TOO_LARGE, description, {
      violations: [{ field: "", description }],
    });
    new GrpcReply(stream, contentType).fail(failure);
    return;
  }
  stream.respond({ ":status": 431 }, { endStream: true });
  stream.resume();
  stream.close(constants.NGHTTP2_NO_ERROR);
}
