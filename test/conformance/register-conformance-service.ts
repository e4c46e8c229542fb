// The conformance service as the gateway's listener serves everything but its own gRPC path: through connect-node.
import { setTimeout as delay } from "node:timers/promises";
import { create, createRegistry, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import { ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { messageOf, preparedCallKey } from "../../src/server/connect/prepared-call.ts";
import { toConnectError } from "../../src/server/connect/to-connect-error.ts";
import type { ServerLogger } from "../../src/server/server-logger.ts";
import { toCallFailure } from "../../src/server/to-call-failure.ts";
import { type Answer, type AnswerError, type Seen, seenMessage, toStreamAnswer, toUnaryAnswer } from "./answer.ts";
import {
  type ConformancePayload,
  ConformancePayload_ConnectGetInfoSchema,
  ConformanceService,
  file_connectrpc_conformance_v1_service,
  IdempotentUnaryRequestSchema,
  IdempotentUnaryResponseSchema,
  ServerStreamRequestSchema,
  ServerStreamResponseSchema,
  UnaryRequestSchema,
  UnaryResponseSchema,
} from "./gen/connectrpc/conformance/v1/service_pb.ts";

export function registerConformanceService(router: ConnectRouter, logger: ServerLogger): void {
  const read = <Input extends DescMessage>(input: Input, request: MessageShape<Input>, context: HandlerContext) => {
    try {
      return messageOf(input, context.values.get(preparedCallKey), request);
    } catch (error) {
      throw toConnectError(toCallFailure(error, logger));
    }
  };

  router.service(
    ConformanceService,
    {
      async unary(request, context) {
        const message = read(UnaryRequestSchema, request, context);
        const answer = toUnaryAnswer(message.responseDefinition, seen(UnaryRequestSchema, message, context));
        return create(UnaryResponseSchema, { payload: await only(send(answer, context)) });
      },
      async idempotentUnary(request, context) {
        const message = read(IdempotentUnaryRequestSchema, request, context);
        const answer = toUnaryAnswer(message.responseDefinition, seen(IdempotentUnaryRequestSchema, message, context));
        return create(IdempotentUnaryResponseSchema, { payload: await only(send(answer, context)) });
      },
      async *serverStream(request, context) {
        const message = read(ServerStreamRequestSchema, request, context);
        const answer = toStreamAnswer(message.responseDefinition, seen(ServerStreamRequestSchema, message, context));
        for await (const payload of send(answer, context)) {
          yield create(ServerStreamResponseSchema, { payload });
        }
      },
    },
    { jsonOptions: { registry: createRegistry(file_connectrpc_conformance_v1_service) } },
  );
}

function seen<Input extends DescMessage>(input: Input, message: MessageShape<Input>, context: HandlerContext): Seen {
  return {
    headers: context.requestHeader,
    timeoutMs: context.timeoutMs(),
    message: seenMessage(input, message),
    get: context.requestMethod === "GET" ? create(ConformancePayload_ConnectGetInfoSchema) : undefined,
  };
}

async function* send(answer: Answer, context: HandlerContext): AsyncIterable<ConformancePayload> {
  for (const { name, value } of answer.headers) {
    for (const one of value) context.responseHeader.append(name, one);
  }
  for (const { name, value } of answer.trailers) {
    for (const one of value) context.responseTrailer.append(name, one);
  }
  for (const payload of answer.payloads) {
    await pause(answer.delayMs, context.signal);
    yield payload;
  }
  if (answer.error !== undefined) {
    if (answer.payloads.length === 0) await pause(answer.delayMs, context.signal);
    throw toError(answer.error);
  }
}

async function only(payloads: AsyncIterable<ConformancePayload>): Promise<ConformancePayload> {
  for await (const payload of payloads) return payload;
  throw new Error("a unary answer without a payload");
}

async function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  if (delayMs === 0) return;
  try {
    await delay(delayMs, undefined, { signal });
  } catch {
    // The reason of an abort is the error that the call ends with.
    throw signal.reason;
  }
}

function toError({ code, message, details }: AnswerError): ConnectError {
  const error = new ConnectError(message, code);
  error.details = details.map(({ typeUrl, value }) => ({ type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1), value }));
  return error;
}
