// How a call ended, as bytes that another replica reads, maybe of another version: what it cannot read is `undefined`.
import { fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import type { GenMessage } from "@bufbuild/protobuf/codegenv2";
import { AttemptSchema, CompleteResponseSchema, StreamFailureSchema } from "../../contract.ts";
import { CallFailure, type CallFailureFacts } from "../../domain/call-failure.ts";
import type { OperationAnswer, ReplayEnd } from "./replay-store.ts";

/** First byte: what follows. */
const kinds = { response: 1, operation: 2, failure: 3 } as const;

/** `schema`: of the answer of an operation. */
export function toOutcomeBytes(end: ReplayEnd, schema?: GenMessage<OperationAnswer>): Uint8Array {
  switch (end.kind) {
    case "response":
      return join(kinds.response, toBinary(CompleteResponseSchema, end.response));
    case "operation":
      return join(kinds.operation, schema === undefined ? new Uint8Array() : toBinary(schema, end.response));
    case "failure":
      return join(kinds.failure, toFailureBytes(end.failure));
  }
}

/** `schema`: of the operation that asks; an answer of an operation is unreadable without. */
export function fromOutcomeBytes(bytes: Uint8Array, schema?: GenMessage<OperationAnswer>): ReplayEnd | undefined {
  const body = bytes.subarray(1);
  try {
    switch (bytes[0]) {
      case kinds.response:
        return { kind: "response", response: fromBinary(CompleteResponseSchema, body) };
      case kinds.operation:
        return schema && { kind: "operation", response: fromBinary(schema, body), bytes: body.length };
      case kinds.failure:
        return { kind: "failure", failure: fromFailureBytes(body) };
      default:
        return undefined;
    }
  } catch {
    return undefined; // Torn or of another version: the same as if nothing had been kept.
  }
}

type FailureRecord = Omit<CallFailureFacts, "attempts" | "streamFailure" | "cause"> & {
  readonly reason: number;
  readonly message: string;
  /** Protobuf in base64. */
  readonly attempts?: readonly string[] | undefined;
  readonly streamFailure?: string | undefined;
};

/** A failure holds no content, so JSON is small. */
export function toFailureBytes({ reason, message, facts }: CallFailure): Uint8Array {
  const { attempts, streamFailure, cause: _, ...plain } = facts;
  const record: FailureRecord = {
    ...plain,
    reason,
    message,
    attempts: attempts?.map((attempt) => toBase64(AttemptSchema, attempt)),
    streamFailure: streamFailure && toBase64(StreamFailureSchema, streamFailure),
  };
  return Buffer.from(JSON.stringify(record));
}

/** Throws when it is not what `toFailureBytes` made. */
export function fromFailureBytes(bytes: Uint8Array): CallFailure {
  const { reason, message, attempts, streamFailure, ...plain }: FailureRecord = JSON.parse(
    Buffer.from(bytes).toString(),
  );
  if (!Number.isInteger(reason)) throw new Error("a failure without a reason");
  return new CallFailure(reason as CallFailure["reason"], message, {
    ...plain,
    attempts: attempts?.map((attempt) => fromBase64(AttemptSchema, attempt)),
    streamFailure: streamFailure === undefined ? undefined : fromBase64(StreamFailureSchema, streamFailure),
  });
}

function toBase64<Type extends Message>(schema: GenMessage<Type>, message: Type): string {
  return Buffer.from(toBinary(schema, message)).toString("base64");
}

function fromBase64<Type extends Message>(schema: GenMessage<Type>, text: string): Type {
  return fromBinary<GenMessage<Type>>(schema, Buffer.from(text, "base64")) as Type;
}

function join(kind: number, body: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of(kind), body]);
}
