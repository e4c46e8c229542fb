// Everything that is not plain gRPC on a hot method: gRPC-Web, Connect over HTTP/1.1 and HTTP/2, JSON, the other services.
// connect-node serves it, with one difference: the message is read here first, and connect-node gets an empty one in its
// place. So an inference call is authenticated before its body is decoded, garbage has a typed error and a usage event, and
// sizes, compression and time limits are checked in one way. Left to connect-node alone: health and reflection.
import type { DescMessage } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter, createConnectRouter, createContextValues } from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerRequest } from "@connectrpc/connect/protocol";
import {
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import { ErrorReason } from "../../contract.ts";
import { CallFailure } from "../../domain/call-failure.ts";
import type { Gateway, InferenceMethod } from "../../pipeline/ports.ts";
import { readCallTimeoutMs } from "../call-timeout.ts";
import { pathOf, sendText } from "../http-endpoints.ts";
import { inferenceMethodNames, inferenceMethods, inferencePath } from "../inference-methods.ts";
import type { NodeRequest, NodeResponse } from "../node-http.ts";
import { readPeerCertificate } from "../peer-certificate.ts";
import type { ServerLogger } from "../server-logger.ts";
import { toCallFailure } from "../to-call-failure.ts";
import { readMessage } from "./message-form.ts";
import { type MessageSource, messageSourceOf } from "./message-source.ts";
import { withPlainGrpcMessage } from "./plain-grpc-message.ts";
import { endUntaken, type PreparedCall, peerKey, preparedCallKey } from "./prepared-call.ts";

export type ConnectListenerOptions = {
  readonly gateway: Gateway;
  readonly logger: ServerLogger;
  readonly maxRequestBytes: number;
  /** Ends every call that is left; its reason is the `CallFailure` that they end with. */
  readonly shutdownSignal: AbortSignal;
  readonly register: (router: ConnectRouter) => void;
};

/** False: no method has this path. */
export type ConnectListener = (request: NodeRequest, response: NodeResponse) => boolean;

/** The most that connect-node takes: larger than any response, so that none is compressed. */
const neverCompressBytes = 0xffffffff;

export function createConnectListener(options: ConnectListenerOptions): ConnectListener {
  const router = createConnectRouter({
    readMaxBytes: options.maxRequestBytes,
    // Requests only: callers inside a network gain little from compressed responses, and streams lose time.
    acceptCompression: [compressionGzip],
    compressMinBytes: neverCompressBytes,
    shutdownSignal: options.shutdownSignal,
  });
  options.register(router);
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  const methodByPath = new Map<string, InferenceMethod>(
    inferenceMethodNames.map((method) => [inferencePath(method), method]),
  );

  return (request, response) => {
    const path = pathOf(request);
    const handler = handlers.get(path);
    if (handler === undefined) {
      return false;
    }
    serve(handler, methodByPath.get(path), request, response, options).catch((error: unknown) => {
      // connect-node says "aborted" when nobody is left to answer; anything else is a bug, and the caller gets a bare 500.
      if (ConnectError.from(error).code !== Code.Aborted) {
        toCallFailure(error, options.logger);
        sendText(response, 500, "internal error\n");
      }
    });
    return true;
  };
}

async function serve(
  handler: UniversalHandler,
  method: InferenceMethod | undefined,
  request: NodeRequest,
  response: NodeResponse,
  options: ConnectListenerOptions,
): Promise<void> {
  const values = createContextValues();
  values.set(peerKey, readPeerCertificate(request.socket));
  const universal = universalRequestFromNodeRequest(asRequest(request), asResponse(response), undefined, values);
  const source = messageSourceOf(handler, request, options);
  if (source === undefined) {
    await universalResponseToNodeResponse(withPlainGrpcMessage(await handler(universal)), asResponse(response));
    return;
  }
  const prepared = await (method === undefined
    ? readTimed(handler.method.input, source, request, options)
    : open(method, source, request, options));
  values.set(preparedCallKey, prepared);
  // Not after the answer was awaited: connect-node waits for an event that responses do not have.
  response.once("close", () => endUntaken(prepared, brokenProtocol));
  const emptied = source.emptied(universal);
  const answer = await handler(prepared.kind === "refused" ? withoutTimeLimit(emptied) : emptied);
  await universalResponseToNodeResponse(withPlainGrpcMessage(answer), asResponse(response));
}

/** Ours over HTTP/2 have of Node's what connect-node uses, which is a small part. */
function asRequest(request: NodeRequest): Parameters<typeof universalRequestFromNodeRequest>[0] {
  return request as Parameters<typeof universalRequestFromNodeRequest>[0];
}

function asResponse(response: NodeResponse): Parameters<typeof universalResponseToNodeResponse>[1] {
  return response as Parameters<typeof universalResponseToNodeResponse>[1];
}

/** What is recorded of a call that connect-node refused before its handler was reached. */
function brokenProtocol(): CallFailure {
  return new CallFailure(ErrorReason.INVALID_REQUEST, "the request breaks a rule of its protocol");
}

/** A call that is refused needs none, and one that cannot be read would hide the reason. */
function withoutTimeLimit(request: UniversalServerRequest): UniversalServerRequest {
  const header = new Headers(request.header);
  header.delete("grpc-timeout");
  header.delete("connect-timeout-ms");
  return { ...request, header };
}

/** An inference call: authenticated on its headers, while its body arrives. */
async function open(
  method: InferenceMethod,
  source: MessageSource,
  request: NodeRequest,
  options: ConnectListenerOptions,
): Promise<PreparedCall> {
  const header = (name: string) => firstOf(request.headers[name]);
  const reading = read(inferenceMethods[method].schema, source, options);
  try {
    const opened = await options.gateway.open({
      method,
      header,
      timeoutMs: readCallTimeoutMs(header),
      peer: readPeerCertificate(request.socket),
    });
    const result = await reading;
    if (result.kind === "read") {
      return { kind: "ready", opened, message: result.message };
    }
    return { kind: "unreadable", opened, failure: await opened.reject(result.failure) };
  } catch (error) {
    return { kind: "refused", failure: toCallFailure(error, options.logger) };
  }
}

type ReadResult = Extract<PreparedCall, { kind: "read" | "refused" }>;

/** A call of another service: its time limit is connect-node's to keep, if it can be read. */
async function readTimed(
  schema: DescMessage,
  source: MessageSource,
  request: NodeRequest,
  options: ConnectListenerOptions,
): Promise<ReadResult> {
  const result = await read(schema, source, options);
  try {
    readCallTimeoutMs((name) => firstOf(request.headers[name]));
    return result;
  } catch (error) {
    return { kind: "refused", failure: toCallFailure(error, options.logger) };
  }
}

/** Never rejects. */
async function read(
  schema: DescMessage,
  source: MessageSource,
  { logger }: ConnectListenerOptions,
): Promise<ReadResult> {
  const bytes = await source.bytes;
  if (bytes instanceof CallFailure) {
    return { kind: "refused", failure: bytes };
  }
  try {
    return { kind: "read", message: readMessage(schema, source.format, bytes) };
  } catch (error) {
    return { kind: "refused", failure: toCallFailure(error, logger) };
  }
}

function firstOf(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
