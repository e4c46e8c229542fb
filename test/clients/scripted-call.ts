// One script of calls that every client plays, and what a caller can see of each: equal whatever protocol carried it.
import {
  create,
  createRegistry,
  type DescMessage,
  type DescMethod,
  fromBinary,
  type JsonValue,
  type MessageInitShape,
  toBinary,
  toJson,
} from "@bufbuild/protobuf";
import {
  AttemptFailuresSchema,
  CompleteResponseSchema,
  rpcDetails,
  StreamCompleteResponseSchema,
  StreamFailureSchema,
} from "../../src/contract.ts";
import { foldResponses } from "../fold-responses.ts";
import { testSecret } from "../gateway-process.ts";

export type ScriptedCall = {
  readonly name: string;
  readonly method: DescMethod;
  readonly request: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
  /** 0: none. */
  readonly deadlineMs: number;
};

/** As it came, with messages and details in their binary form. */
export type RawOutcome = {
  readonly messages: readonly Uint8Array[];
  readonly code: number;
  readonly message: string;
  /** `type`: the full name, without an address before it. */
  readonly details: readonly { readonly type: string; readonly value: Uint8Array }[];
  /** Of `grpc-retry-pushback-ms`; `undefined` without a failure. */
  readonly pushback: string | undefined;
};

export type Outcome = Omit<RawOutcome, "messages" | "details"> & {
  readonly messages: readonly JsonValue[];
  readonly details: readonly { readonly type: string; readonly value: JsonValue }[];
};

const detailTypes = createRegistry(
  rpcDetails.file_google_rpc_error_details,
  AttemptFailuresSchema,
  StreamFailureSchema,
);

export function scripted<Input extends DescMessage>(
  name: string,
  method: DescMethod & { input: Input },
  request: MessageInitShape<Input>,
  options: { readonly secret?: string; readonly deadlineMs?: number } = {},
): ScriptedCall {
  return {
    name,
    method,
    request: toBinary(method.input, create(method.input, request)),
    headers: { authorization: `Bearer ${options.secret ?? testSecret}` },
    deadlineMs: options.deadlineMs ?? 0,
  };
}

/** What of an outcome has to be the same each time: without ids, times and the cutting of deltas. */
export function toComparable(method: DescMethod, { messages, details, code, message, pushback }: RawOutcome): Outcome {
  return {
    code,
    message,
    pushback,
    messages: readMessages(method, messages),
    details: details.map(({ type, value }) => {
      const schema = detailTypes.getMessage(type);
      if (schema === undefined) throw new Error(`a detail of an unknown type, ${type}`);
      return { type, value: steady(toJson(schema, fromBinary(schema, value))) };
    }),
  };
}

function readMessages(method: DescMethod, messages: readonly Uint8Array[]): readonly JsonValue[] {
  if (method.output.typeName !== StreamCompleteResponseSchema.typeName) {
    return messages.map((bytes) => steady(toJson(method.output, fromBinary(method.output, bytes))));
  }
  const events = messages.map((bytes) => fromBinary(StreamCompleteResponseSchema, bytes));
  const kinds = events.map(({ event }) => event.case ?? "none").filter((kind, index, all) => kind !== all[index - 1]);
  const isWhole = events.at(-1)?.event.case === "completed";
  return isWhole ? [kinds, steady(toJson(CompleteResponseSchema, foldResponses(events)))] : [kinds];
}

const unsteady = /Id$|Time$|[dD]uration$|timeToFirstToken$/;
const named = new Set(["modelId", "targetId"]);

function steady(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(steady);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, unsteady.test(key) && !named.has(key) ? "*" : steady(inner)]),
  );
}
