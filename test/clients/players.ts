// The clients that play a script: each speaks one protocol, and tells what it saw in the same words.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import {
  create,
  type DescMethod,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  fromBinary,
  fromJson,
  toBinary,
  toJsonString,
} from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import {
  compressionGzip,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import { rpcStatus } from "../../src/contract.ts";
import type { RawOutcome, ScriptedCall } from "./scripted-call.ts";

export type Player = {
  readonly name: string;
  readonly play: (port: number, calls: readonly ScriptedCall[]) => Promise<readonly RawOutcome[]>;
};

const pushbackHeader = "grpc-retry-pushback-ms";

export const players: readonly Player[] = [
  { name: "grpc-js", play: playGrpcJs },
  throughConnect("gRPC of connect", (baseUrl) => createGrpcTransport({ baseUrl })),
  throughConnect("gRPC with gzip", (baseUrl) =>
    createGrpcTransport({ baseUrl, sendCompression: compressionGzip, compressMinBytes: 0 }),
  ),
  throughConnect("gRPC-Web over HTTP/1.1", (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" })),
  throughConnect("gRPC-Web over h2", (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "2" })),
  throughConnect("Connect over HTTP/1.1", (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1" })),
  throughConnect("Connect over h2", (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2" })),
  throughConnect("Connect with JSON", (baseUrl) =>
    createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false }),
  ),
  throughConnect("Connect with GET", (baseUrl) =>
    createConnectTransport({ baseUrl, httpVersion: "1.1", useHttpGet: true }),
  ),
  { name: "plain JSON over HTTP", play: (port, calls) => inTurn(calls, (call) => playFetch(port, call)) },
];

async function inTurn(
  calls: readonly ScriptedCall[],
  play: (call: ScriptedCall) => Promise<RawOutcome>,
): Promise<readonly RawOutcome[]> {
  const outcomes: RawOutcome[] = [];
  for (const call of calls) outcomes.push(await play(call));
  return outcomes;
}

function pathOf(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

async function playGrpcJs(port: number, calls: readonly ScriptedCall[]): Promise<readonly RawOutcome[]> {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  try {
    return await inTurn(calls, (call) => callGrpcJs(client, call));
  } finally {
    client.close();
  }
}

async function callGrpcJs(client: Client, { method, request, headers, deadlineMs }: ScriptedCall): Promise<RawOutcome> {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  const messages: Uint8Array[] = [];
  // A unary call is a stream of one message on the wire.
  const stream = client.makeServerStreamRequest(
    pathOf(method),
    (bytes: Uint8Array) => Buffer.from(bytes),
    (bytes: Buffer) => bytes,
    request,
    metadata,
    deadlineMs === 0 ? {} : { deadline: Date.now() + deadlineMs },
  );
  try {
    for await (const message of stream) messages.push(message);
    return { messages, code: 0, message: "", details: [], pushback: undefined };
  } catch (error) {
    const { code, details: message, metadata: trailers } = error as ServiceError;
    const [packed] = trailers.get("grpc-status-details-bin");
    const status = fromBinary(rpcStatus.StatusSchema, Buffer.from(packed ?? ""));
    const details = status.details.map(({ typeUrl, value }) => ({ type: nameOf(typeUrl), value }));
    return { messages, code, message, details, pushback: trailers.get(pushbackHeader)[0]?.toString() };
  }
}

function throughConnect(name: string, connect: (baseUrl: string) => Transport): Player {
  return {
    name,
    play: (port, calls) => {
      const transport = connect(`http://127.0.0.1:${port}`);
      return inTurn(calls, (call) => callConnect(transport, call));
    },
  };
}

async function callConnect(transport: Transport, call: ScriptedCall): Promise<RawOutcome> {
  const { method, headers } = call;
  const request = fromBinary(method.input, call.request);
  const timeoutMs = call.deadlineMs === 0 ? undefined : call.deadlineMs;
  const messages: Uint8Array[] = [];
  try {
    if (isUnary(method)) {
      const { message } = await transport.unary(method, undefined, timeoutMs, headers, request);
      messages.push(toBinary(method.output, message));
    } else if (isServerStream(method)) {
      const { message } = await transport.stream(method, undefined, timeoutMs, headers, one(request));
      for await (const each of message) messages.push(toBinary(method.output, each));
    }
    return { messages, code: 0, message: "", details: [], pushback: undefined };
  } catch (error) {
    const failure = ConnectError.from(error);
    const details = failure.details.map((detail) =>
      "type" in detail
        ? { type: detail.type, value: detail.value }
        : { type: detail.desc.typeName, value: toBinary(detail.desc, create(detail.desc, detail.value)) },
    );
    const pushback = failure.metadata.get(pushbackHeader) ?? undefined;
    return { messages, code: failure.code, message: failure.rawMessage, details, pushback };
  }
}

function isUnary(method: DescMethod): method is DescMethodUnary {
  return method.methodKind === "unary";
}

function isServerStream(method: DescMethod): method is DescMethodServerStreaming {
  return method.methodKind === "server_streaming";
}

async function* one<Message>(message: Message): AsyncIterable<Message> {
  yield message;
}

type JsonFailure = {
  readonly code: string;
  readonly message: string;
  readonly details?: readonly { readonly type: string; readonly value: string }[];
};

/** What a script with curl does: JSON in, JSON out; a stream comes as pieces with five bytes before each. */
async function playFetch(port: number, { method, request, headers, deadlineMs }: ScriptedCall): Promise<RawOutcome> {
  const isStream = method.methodKind === "server_streaming";
  const json = Buffer.from(toJsonString(method.input, fromBinary(method.input, request)));
  const response = await fetch(`http://127.0.0.1:${port}${pathOf(method)}`, {
    method: "POST",
    headers: {
      ...headers,
      ...(deadlineMs === 0 ? {} : { "connect-timeout-ms": String(deadlineMs) }),
      "content-type": isStream ? "application/connect+json" : "application/json",
    },
    body: new Uint8Array(isStream ? enveloped(json) : json),
  });
  const body = Buffer.from(await response.arrayBuffer());
  if (!isStream) {
    const value = JSON.parse(body.toString());
    return response.ok
      ? { messages: [toBinary(method.output, fromJson(method.output, value))], ...fine }
      : { messages: [], ...fromJsonFailure(value, response.headers.get(pushbackHeader) ?? undefined) };
  }
  const pieces = [...envelopesOf(body)].map((piece) => JSON.parse(piece.toString()));
  const end: { error?: JsonFailure; metadata?: Record<string, string[]> } = pieces.pop();
  const messages = pieces.map((piece) => toBinary(method.output, fromJson(method.output, piece)));
  return {
    messages,
    ...(end.error === undefined ? fine : fromJsonFailure(end.error, end.metadata?.[pushbackHeader]?.[0])),
  };
}

const fine = { code: 0, message: "", details: [], pushback: undefined } as const;

function fromJsonFailure(failure: JsonFailure, pushback: string | undefined): Omit<RawOutcome, "messages"> {
  const found = Object.entries(Code).find(([name]) => snakeCase(name) === failure.code);
  const details = (failure.details ?? []).map(({ type, value }) => ({ type, value: Buffer.from(value, "base64") }));
  return { code: Number(found?.[1]), message: failure.message, details, pushback };
}

function snakeCase(name: string): string {
  return name.replace(/(?!^)[A-Z]/g, "_$&").toLowerCase();
}

function enveloped(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

function* envelopesOf(body: Buffer): Iterable<Buffer> {
  for (let offset = 0; offset < body.length; ) {
    const end = offset + 5 + body.readUInt32BE(offset + 1);
    yield body.subarray(offset + 5, end);
    offset = end;
  }
}

export type GoCall = ScriptedCall & { readonly cancelAfter?: number; readonly gzip?: boolean };

export type GoOutcome = RawOutcome & { readonly header: Readonly<Record<string, readonly string[]>> };

type GoLine = {
  readonly messages: readonly string[];
  readonly code: number;
  readonly message: string;
  readonly details: readonly { readonly type: string; readonly value: string }[];
  readonly header: Readonly<Record<string, readonly string[]>> | null;
  readonly trailer: Readonly<Record<string, readonly string[]>> | null;
};

/** `binary`: of `buildGoClients`. */
export async function playGrpcGo(
  binary: string,
  port: number,
  calls: readonly GoCall[],
): Promise<readonly GoOutcome[]> {
  const child = spawn(binary, [`127.0.0.1:${port}`], { stdio: ["pipe", "pipe", "inherit"] });
  for (const { method, request, headers, deadlineMs, cancelAfter = 0, gzip: isGzip = false } of calls) {
    const line = {
      method: pathOf(method).slice(1),
      request: Buffer.from(request).toString("base64"),
      metadata: headers,
      deadlineMs,
      cancelAfter,
      gzip: isGzip,
    };
    child.stdin.write(`${JSON.stringify(line)}\n`);
  }
  child.stdin.end();
  const outcomes: GoOutcome[] = [];
  for await (const line of createInterface({ input: child.stdout })) outcomes.push(fromGoLine(JSON.parse(line)));
  return outcomes;
}

function fromGoLine({ messages, code, message, details, header, trailer }: GoLine): GoOutcome {
  return {
    messages: messages.map((text) => Buffer.from(text, "base64")),
    code,
    message,
    details: details.map(({ type, value }) => ({ type: nameOf(type), value: Buffer.from(value ?? "", "base64") })),
    pushback: trailer?.[pushbackHeader]?.[0] ?? header?.[pushbackHeader]?.[0],
    header: header ?? {},
  };
}

function nameOf(typeUrl: string): string {
  return typeUrl.slice(typeUrl.lastIndexOf("/") + 1);
}
