// What the conformance service answers, as values: the suite says in each request what it wants to hear.
import { create, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import { type Any, anyPack } from "@bufbuild/protobuf/wkt";
import {
  type ConformancePayload,
  type ConformancePayload_ConnectGetInfo,
  ConformancePayload_RequestInfoSchema,
  ConformancePayloadSchema,
  type Header,
  HeaderSchema,
  type StreamResponseDefinition,
  type UnaryResponseDefinition,
} from "./gen/connectrpc/conformance/v1/service_pb.ts";

export type Answer = {
  readonly headers: readonly Header[];
  readonly trailers: readonly Header[];
  /** Before each payload, or before the error when there is none. */
  readonly delayMs: number;
  readonly payloads: readonly ConformancePayload[];
  readonly error: AnswerError | undefined;
};

export type AnswerError = { readonly code: number; readonly message: string; readonly details: readonly Any[] };

/** What the server saw of a request; the suite compares it with what its client sent. */
export type Seen = {
  readonly headers: Iterable<readonly [string, string]>;
  readonly timeoutMs: number | undefined;
  readonly message: Any;
  /** Set: the message came by Connect GET. */
  readonly get?: ConformancePayload_ConnectGetInfo | undefined;
};

export function seenMessage<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): Any {
  return anyPack(schema, message);
}

export function toUnaryAnswer(definition: UnaryResponseDefinition | undefined, seen: Seen): Answer {
  const requestInfo = toRequestInfo(seen);
  const response = definition?.response;
  const common = {
    headers: definition?.responseHeaders ?? [],
    trailers: definition?.responseTrailers ?? [],
    delayMs: definition?.responseDelayMs ?? 0,
  };
  if (response?.case === "error") {
    const { code, message = "", details } = response.value;
    const told = [...details, anyPack(ConformancePayload_RequestInfoSchema, requestInfo)];
    return { ...common, payloads: [], error: { code, message, details: told } };
  }
  const data = response?.case === "responseData" ? response.value : new Uint8Array();
  return { ...common, payloads: [create(ConformancePayloadSchema, { data, requestInfo })], error: undefined };
}

export function toStreamAnswer(definition: StreamResponseDefinition | undefined, seen: Seen): Answer {
  const requestInfo = toRequestInfo(seen);
  const payloads = (definition?.responseData ?? []).map((data, index) =>
    create(ConformancePayloadSchema, index === 0 ? { data, requestInfo } : { data }),
  );
  const error = definition?.error;
  const info = payloads.length === 0 ? [anyPack(ConformancePayload_RequestInfoSchema, requestInfo)] : [];
  return {
    headers: definition?.responseHeaders ?? [],
    trailers: definition?.responseTrailers ?? [],
    delayMs: definition?.responseDelayMs ?? 0,
    payloads,
    error:
      error === undefined
        ? undefined
        : { code: error.code, message: error.message ?? "", details: [...error.details, ...info] },
  };
}

function toRequestInfo({ headers, timeoutMs, message, get }: Seen) {
  return create(ConformancePayload_RequestInfoSchema, {
    requestHeaders: Array.from(headers, ([name, value]) => create(HeaderSchema, { name, value: [value] })),
    ...(timeoutMs === undefined ? {} : { timeoutMs: BigInt(Math.trunc(timeoutMs)) }),
    requests: [message],
    connectGetInfo: get,
  });
}
