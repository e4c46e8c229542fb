// Everything that is not plain gRPC on a hot method: gRPC-Web, Connect over HTTP/1.1 and HTTP/2, JSON, the other services.
// connect-node serves it, with one difference: the message is read here first, and connect-node gets an empty one in its
// place. So an inference call is authenticated before its body is decoded, garbage has a typed error and a usage event, and
// sizes are checked in one way. Left to connect-node alone: Connect GET, requests with a compression (refused), health and
// reflection; what it finds wrong there has a code, but no ErrorInfo.
import type { DescMessage } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter, createConnectRouter, createContextValues } from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerRequest } from "@connectrpc/connect/protocol";
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import { CallFailure } from "../../domain/call-failure.ts";
import type { Gateway, InferenceMethod } from "../../pipeline/ports.ts";
import { readCallTimeoutMs } from "../call-timeout.ts";
import { pathOf, sendText } from "../http-endpoints.ts";
import { inferenceMethodNames, inferenceMethods, inferencePath } from "../inference-methods.ts";
import type { NodeRequest, NodeResponse } from "../node-http.ts";
import { readPeerCertificate } from "../peer-certificate.ts";
import type { ServerLogger } from "../server-logger.ts";
import { toCallFailure } from "../to-call-failure.ts";
import { collectBody } from "./collect-body.ts";
import { emptyBodyOf, type MessageForm, messageFormOf, readMessage } from "./message-form.ts";
import { type PreparedCall, peerKey, preparedCallKey } from "./prepared-call.ts";

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

const envelopeBytes = 5;

export function createConnectListener(options: ConnectListenerOptions): ConnectListener {
  const router = createConnectRouter({
    readMaxBytes: options.maxRequestBytes,
    // A few bytes of gzip can claim any size; callers inside a network gain little from compression.
    acceptCompression: [],
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
  const universal = universalRequestFromNodeRequest(request, response, undefined, values);
  const form = request.method === "POST" && takesOneMessage(handler) ? formOf(request) : undefined;
  if (form !== undefined) {
    const prepared = await (method === undefined
      ? read(handler.method.input, form, request, options)
      : open(method, form, request, options));
    values.set(preparedCallKey, prepared);
    const answer = await handler(withEmptyBody(universal, form));
    await universalResponseToNodeResponse(answer, response);
    return;
  }
  await universalResponseToNodeResponse(await handler(universal), response);
}

/** Health and reflection keep to connect-node: they are for tools, and a stream of requests has no one message. */
function takesOneMessage({ method, service }: UniversalHandler): boolean {
  return method.methodKind !== "bidi_streaming" && !service.typeName.startsWith("grpc.");
}

/** `undefined`: a content type or an encoding that connect-node refuses by itself. */
function formOf(request: NodeRequest): MessageForm | undefined {
  const encodings = ["content-encoding", "grpc-encoding", "connect-content-encoding"];
  const isPlain = encodings.every((name) => (request.headers[name] ?? "identity") === "identity");
  return isPlain ? messageFormOf(request.headers["content-type"]) : undefined;
}

function withEmptyBody(request: UniversalServerRequest, form: MessageForm): UniversalServerRequest {
  const header = new Headers(request.header);
  header.delete("content-length");
  return { ...request, header, body: once(emptyBodyOf(form)) };
}

async function* once(chunk: Uint8Array): AsyncIterable<Uint8Array> {
  yield chunk;
}

/** An inference call: authenticated on its headers, while its body arrives. */
async function open(
  method: InferenceMethod,
  form: MessageForm,
  request: NodeRequest,
  options: ConnectListenerOptions,
): Promise<PreparedCall> {
  const header = (name: string) => firstOf(request.headers[name]);
  const reading = read(inferenceMethods[method].schema, form, request, options);
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
    opened.reject(result.failure);
    return { kind: "unreadable", opened, failure: result.failure };
  } catch (error) {
    return { kind: "refused", failure: toCallFailure(error, options.logger) };
  }
}

type ReadResult = Extract<PreparedCall, { kind: "read" | "refused" }>;

/** Never rejects. */
async function read(
  schema: DescMessage,
  form: MessageForm,
  request: NodeRequest,
  { logger, maxRequestBytes }: ConnectListenerOptions,
): Promise<ReadResult> {
  const body = await collectBody(request, maxRequestBytes + (form.isEnveloped ? envelopeBytes : 0));
  if (body instanceof CallFailure) {
    return { kind: "refused", failure: body };
  }
  try {
    return { kind: "read", message: readMessage(schema, form, body, maxRequestBytes) };
  } catch (error) {
    return { kind: "refused", failure: toCallFailure(error, logger) };
  }
}

function firstOf(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
