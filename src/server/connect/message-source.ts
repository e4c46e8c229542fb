// Where the one message of a call comes from, whatever the protocol: a body, an envelope in a body, or the address of a
// Connect GET; plain or as gzip. connect-node gets an empty message in its place.
import type { UniversalHandler, UniversalServerRequest } from "@connectrpc/connect/protocol";
import { ErrorReason } from "../../contract.ts";
import { CallFailure } from "../../domain/call-failure.ts";
import { expandGzip } from "../expand-gzip.ts";
import { encodingOf, type MessageEncoding, MessageReader, tooLarge } from "../grpc/message-reader.ts";
import type { NodeRequest } from "../node-http.ts";
import type { ServerLogger } from "../server-logger.ts";
import { toCallFailure } from "../to-call-failure.ts";
import { collectBody } from "./collect-body.ts";
import { emptyBodyOf, type MessageForm, messageFormOf } from "./message-form.ts";

export type MessageSource = {
  readonly format: MessageForm["format"];
  /** Expanded, without its envelope. Never rejects. */
  readonly bytes: Promise<Uint8Array | CallFailure>;
  /** The request with an empty message, for connect-node to read in place of the one that was read here. */
  readonly emptied: (request: UniversalServerRequest) => UniversalServerRequest;
};

type SourceLimits = { readonly maxRequestBytes: number; readonly logger: ServerLogger };

const envelopeBytes = 5;

/** `undefined`: connect-node refuses the request, or the method takes a stream of messages, or is a tool's. */
export function messageSourceOf(
  handler: UniversalHandler,
  request: NodeRequest,
  limits: SourceLimits,
): MessageSource | undefined {
  const method = request.method ?? "";
  if (!takesOneMessage(handler) || !handler.allowedMethods.includes(method)) {
    return undefined;
  }
  return method === "GET" ? sourceOfQuery(request, limits) : sourceOfBody(handler, request, limits);
}

/** Health and reflection keep to connect-node: they are for tools. */
function takesOneMessage({ method, service }: UniversalHandler): boolean {
  const takesOne = method.methodKind === "unary" || method.methodKind === "server_streaming";
  return takesOne && !service.typeName.startsWith("grpc.");
}

function sourceOfBody(
  { method }: UniversalHandler,
  request: NodeRequest,
  limits: SourceLimits,
): MessageSource | undefined {
  const form = messageFormOf(request.headers["content-type"], method.methodKind);
  if (form === undefined) {
    return undefined;
  }
  const encodingHeader = request.headers[form.encodingHeader];
  const encoding = encodingOf(Array.isArray(encodingHeader) ? encodingHeader[0] : encodingHeader);
  return {
    format: form.format,
    bytes: caught(limits.logger, () => readBody(request, form, encoding, limits.maxRequestBytes)),
    emptied: (universal) => {
      const header = new Headers(universal.header);
      header.delete("content-length");
      header.delete(form.encodingHeader);
      return { ...universal, header, body: once(emptyBodyOf(form)) };
    },
  };
}

async function readBody(
  request: NodeRequest,
  form: MessageForm,
  encoding: MessageEncoding | CallFailure,
  bytesMax: number,
): Promise<Uint8Array> {
  if (encoding instanceof CallFailure) {
    request.resume();
    throw encoding;
  }
  const body = await collectBody(request, bytesMax, form.isEnveloped ? envelopeBytes : 0);
  if (body instanceof CallFailure) {
    throw body;
  }
  if (!form.isEnveloped) {
    return encoding === "gzip" ? expandGzip(body, bytesMax) : body;
  }
  const reader = new MessageReader(bytesMax, encoding);
  if (body.length > 0) {
    reader.push(body);
  }
  const message = reader.end();
  return reader.isCompressed ? expandGzip(message, bytesMax) : message;
}

/** Connect GET: `message`, `encoding`, `base64` and `compression` in the query (Connect protocol, "Unary-Get-Request"). */
function sourceOfQuery(request: NodeRequest, limits: SourceLimits): MessageSource | undefined {
  const query = new URLSearchParams((request.url ?? "").split("?").slice(1).join("?"));
  const format = query.get("encoding");
  if (format !== "proto" && format !== "json") {
    return undefined;
  }
  return {
    format,
    bytes: caught(limits.logger, () => readQuery(query, limits.maxRequestBytes)),
    emptied: (universal) => {
      const url = new URL(universal.url);
      url.searchParams.delete("compression");
      url.searchParams.delete("base64");
      url.searchParams.set("message", format === "json" ? "{}" : "");
      return { ...universal, url: url.toString() };
    },
  };
}

async function readQuery(query: URLSearchParams, bytesMax: number): Promise<Uint8Array> {
  const encoding = encodingOf(query.get("compression") ?? undefined);
  if (encoding instanceof CallFailure) {
    throw encoding;
  }
  const text = query.get("message");
  if (text === null) {
    throw invalid("message", "is missing in the query");
  }
  const isBase64 = query.get("base64") === "1";
  if (isBase64 && !/^[\w+/-]*={0,2}$/.test(text)) {
    throw invalid("message", "is no base64");
  }
  const bytes = Buffer.from(text, isBase64 ? "base64" : "utf8");
  if (bytes.length > bytesMax) {
    throw tooLarge(bytesMax);
  }
  return encoding === "gzip" ? expandGzip(bytes, bytesMax) : bytes;
}

async function caught(logger: ServerLogger, read: () => Promise<Uint8Array>): Promise<Uint8Array | CallFailure> {
  try {
    return await read();
  } catch (error) {
    return toCallFailure(error, logger);
  }
}

function invalid(field: string, description: string): CallFailure {
  return new CallFailure(ErrorReason.INVALID_REQUEST, `the request's ${field} ${description}`, {
    violations: [{ field, description }],
  });
}

async function* once(chunk: Uint8Array): AsyncIterable<Uint8Array> {
  yield chunk;
}
