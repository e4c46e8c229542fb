// The conformance service on the gateway's own gRPC framing.
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http2";
import { setTimeout as delay } from "node:timers/promises";
import { create, type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { RpcCode, rpcStatus } from "../../src/contract.ts";
import type { CallHandle } from "../../src/pipeline/ports.ts";
import { readCallTimeoutMs } from "../../src/server/call-timeout.ts";
import { decodeBinary } from "../../src/server/decode-message.ts";
import {
  firstOf,
  type GrpcMethod,
  type GrpcOpenCall,
  type GrpcSink,
  toFrame,
} from "../../src/server/grpc/grpc-method.ts";
import { toStatusTrailers } from "../../src/server/grpc/grpc-reply.ts";
import { type Answer, type AnswerError, type Seen, seenMessage, toStreamAnswer, toUnaryAnswer } from "./answer.ts";
import {
  type ConformancePayload,
  ConformanceService,
  type Header,
  IdempotentUnaryRequestSchema,
  IdempotentUnaryResponseSchema,
  ServerStreamRequestSchema,
  ServerStreamResponseSchema,
  UnaryRequestSchema,
  UnaryResponseSchema,
} from "./gen/connectrpc/conformance/v1/service_pb.ts";

export const conformanceGrpcMethods: ReadonlyMap<string, GrpcMethod> = new Map([
  [
    `/${ConformanceService.typeName}/Unary`,
    toMethod(
      UnaryRequestSchema,
      (request, seen) => toUnaryAnswer(request.responseDefinition, seen),
      (payload) => toBinary(UnaryResponseSchema, create(UnaryResponseSchema, { payload })),
    ),
  ],
  [
    `/${ConformanceService.typeName}/IdempotentUnary`,
    toMethod(
      IdempotentUnaryRequestSchema,
      (request, seen) => toUnaryAnswer(request.responseDefinition, seen),
      (payload) => toBinary(IdempotentUnaryResponseSchema, create(IdempotentUnaryResponseSchema, { payload })),
    ),
  ],
  [
    `/${ConformanceService.typeName}/ServerStream`,
    toMethod(
      ServerStreamRequestSchema,
      (request, seen) => toStreamAnswer(request.responseDefinition, seen),
      (payload) => toBinary(ServerStreamResponseSchema, create(ServerStreamResponseSchema, { payload })),
    ),
  ],
]);

function toMethod<Input extends DescMessage>(
  input: Input,
  answer: (request: MessageShape<Input>, seen: Seen) => Answer,
  encode: (payload: ConformancePayload) => Uint8Array,
): GrpcMethod {
  return { open: (headers) => openCall(headers, input, answer, encode) };
}

function openCall<Input extends DescMessage>(
  headers: IncomingHttpHeaders,
  input: Input,
  answer: (request: MessageShape<Input>, seen: Seen) => Answer,
  encode: (payload: ConformancePayload) => Uint8Array,
): GrpcOpenCall {
  const timeoutMs = readCallTimeoutMs((name) => firstOf(headers[name]));
  const responseHeaders: OutgoingHttpHeaders = {};
  return {
    correlationId: "",
    tenant: "",
    refusalUnread: () => undefined,
    addHeaders: (outgoing) => Object.assign(outgoing, responseHeaders),
    reject: (failure) => Promise.resolve(failure),
    read: (bytes) => {
      const request = decodeBinary(input, bytes);
      const planned = answer(request, {
        headers: plainHeaders(headers),
        timeoutMs,
        message: seenMessage(input, request),
      });
      Object.assign(responseHeaders, toHeaders(planned.headers));
      return (sink) => run(planned, encode, timeoutMs, sink);
    },
  };
}

function run(
  answer: Answer,
  encode: (payload: ConformancePayload) => Uint8Array,
  timeoutMs: number | undefined,
  sink: GrpcSink,
): CallHandle {
  const cancel = new AbortController();
  const expire = () => {
    cancel.abort();
    sink.end(toErrorTrailers({ code: RpcCode.DEADLINE_EXCEEDED, message: "the deadline passed", details: [] }));
  };
  const deadline = timeoutMs === undefined ? undefined : setTimeout(expire, timeoutMs);
  send(answer, encode, sink, cancel.signal)
    .catch((error: unknown) => {
      if (!cancel.signal.aborted) throw error;
    })
    .finally(() => clearTimeout(deadline));
  return { cancel: () => cancel.abort(), resume: () => undefined };
}

async function send(
  { payloads, error, delayMs, headers, trailers }: Answer,
  encode: (payload: ConformancePayload) => Uint8Array,
  sink: GrpcSink,
  signal: AbortSignal,
): Promise<void> {
  if (headers.length > 0) {
    // Else an answer without a message would carry its headers in the trailers.
    sink.write(Buffer.alloc(0));
  }
  for (const payload of payloads) {
    await pause(delayMs, signal);
    sink.write(toFrame(encode(payload)));
  }
  if (payloads.length === 0) {
    await pause(delayMs, signal);
  }
  sink.end({ ...toHeaders(trailers), ...(error === undefined ? { "grpc-status": "0" } : toErrorTrailers(error)) });
}

function toErrorTrailers({ code, message, details }: AnswerError): OutgoingHttpHeaders {
  const status = create(rpcStatus.StatusSchema, { code, message, details: [...details] });
  return toStatusTrailers(code, message, toBinary(rpcStatus.StatusSchema, status));
}

async function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  if (delayMs > 0) await delay(delayMs, undefined, { signal });
}

function toHeaders(headers: readonly Header[]): OutgoingHttpHeaders {
  return Object.fromEntries(headers.map(({ name, value }) => [name.toLowerCase(), value]));
}

function plainHeaders(headers: IncomingHttpHeaders): readonly (readonly [string, string])[] {
  return Object.entries(headers).flatMap(([name, value]) =>
    name.startsWith(":") || value === undefined ? [] : [value].flat().map((text) => [name, text] as const),
  );
}
