// A `CallFailure` as a gRPC status: code from the reason (one table), details as the error table of the contract says,
// kept under 4 KiB together. Both the own gRPC path and Connect send what this file makes, so that they cannot differ.
import { create, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import {
  AttemptFailuresSchema,
  ErrorReason,
  RpcCode,
  rpcDetails,
  rpcStatus,
  StreamFailureSchema,
} from "../contract.ts";
import type { CallFailure, CallFailureFacts } from "../domain/call-failure.ts";
import { compileEncoder } from "../encoding/compile-encoder.ts";

type ReasonName = Exclude<keyof typeof ErrorReason, "UNSPECIFIED">;

/** The error table of the contract. */
export const codeByReason = {
  INVALID_REQUEST: RpcCode.INVALID_ARGUMENT,
  CONTEXT_LENGTH_EXCEEDED: RpcCode.INVALID_ARGUMENT,
  CAPABILITY_UNSUPPORTED: RpcCode.INVALID_ARGUMENT,
  PROVIDER_REJECTED_REQUEST: RpcCode.INVALID_ARGUMENT,
  PAYLOAD_TOO_LARGE: RpcCode.INVALID_ARGUMENT,
  MEDIA_UNREADABLE: RpcCode.INVALID_ARGUMENT,
  REQUEST_ID_REUSED: RpcCode.ALREADY_EXISTS,
  CREDENTIALS_INVALID: RpcCode.UNAUTHENTICATED,
  PERMISSION_DENIED: RpcCode.PERMISSION_DENIED,
  MODEL_NOT_ALLOWED: RpcCode.PERMISSION_DENIED,
  MODEL_NOT_FOUND: RpcCode.NOT_FOUND,
  RESOURCE_NOT_FOUND: RpcCode.NOT_FOUND,
  RATE_LIMITED: RpcCode.RESOURCE_EXHAUSTED,
  CONCURRENCY_LIMITED: RpcCode.RESOURCE_EXHAUSTED,
  BUDGET_EXHAUSTED: RpcCode.RESOURCE_EXHAUSTED,
  PROVIDER_RATE_LIMITED: RpcCode.RESOURCE_EXHAUSTED,
  // The next two are the operator's fault, and page someone, unless the key was the caller's own: see `codeOf`.
  PROVIDER_QUOTA_EXHAUSTED: RpcCode.INTERNAL,
  PROVIDER_CREDENTIALS_REJECTED: RpcCode.INTERNAL,
  PROVIDER_UNAVAILABLE: RpcCode.UNAVAILABLE,
  PROVIDER_OVERLOADED: RpcCode.UNAVAILABLE,
  PROVIDER_TIMEOUT: RpcCode.UNAVAILABLE,
  PROVIDER_BAD_RESPONSE: RpcCode.UNAVAILABLE,
  NO_HEALTHY_TARGET: RpcCode.UNAVAILABLE,
  GATEWAY_OVERLOADED: RpcCode.UNAVAILABLE,
  DEADLINE_EXCEEDED: RpcCode.DEADLINE_EXCEEDED,
  CANCELLED: RpcCode.CANCELLED,
  GUARDRAIL_BLOCKED: RpcCode.FAILED_PRECONDITION,
  PROVIDER_CONTENT_FILTERED: RpcCode.FAILED_PRECONDITION,
  STREAM_INTERRUPTED: RpcCode.ABORTED,
  CURSOR_EXPIRED: RpcCode.OUT_OF_RANGE,
  CONFLICT: RpcCode.ABORTED,
  INTERNAL: RpcCode.INTERNAL,
  FEATURE_DISABLED: RpcCode.UNIMPLEMENTED,
} as const satisfies Record<ReasonName, RpcCode>;

/** A status detail before it is packed. */
export type StatusDetail<Desc extends DescMessage = DescMessage> = {
  readonly desc: Desc;
  readonly value: MessageShape<Desc>;
  /** `value` in its binary form. */
  readonly bytes: Uint8Array;
};

export type FailureStatus = {
  /** Canonical code, 1 to 16. */
  readonly code: number;
  readonly message: string;
  readonly details: readonly StatusDetail[];
  /** Value of `grpc-retry-pushback-ms`: milliseconds, or -1: do not retry. */
  readonly retryPushbackMs: number;
};

/** `messageLengthMax` in UTF-16 units; `detailsBytesMax` is what grpc-java's default of 8 KiB metadata leaves after base64. */
const limits = { messageLengthMax: 512, detailsBytesMax: 4096 } as const;

/** How much of a failure is told. */
type Generosity = {
  readonly attempts: number;
  /** Longest text, in UTF-16 units. */
  readonly text: number;
  /** Most entries of a list or of the metadata. */
  readonly entries: number;
  readonly consumption: boolean;
};

/** Tried in order until the details fit: attempts go first, then the longest texts, then the rest. */
const generosities: readonly Generosity[] = [
  { attempts: 8, text: 1024, entries: 16, consumption: true },
  { attempts: 4, text: 1024, entries: 16, consumption: true },
  { attempts: 2, text: 1024, entries: 16, consumption: true },
  { attempts: 1, text: 1024, entries: 16, consumption: true },
  { attempts: 1, text: 256, entries: 16, consumption: true },
  { attempts: 0, text: 128, entries: 16, consumption: true },
  { attempts: 0, text: 64, entries: 8, consumption: false },
];
/** Fits whatever the failure holds. */
const leastGenerosity: Generosity = { attempts: 0, text: 32, entries: 4, consumption: false };

const encoders = new Map<DescMessage, ReturnType<typeof compileEncoder>>();

const nameByReason = new Map<number, ReasonName>(
  Object.entries(ErrorReason).flatMap(([name, reason]) => (isReasonName(name) ? [[reason, name] as const] : [])),
);

function isReasonName(name: string): name is ReasonName {
  return Object.hasOwn(codeByReason, name);
}

/** Total: an unknown reason becomes INTERNAL. */
export function toStatus(failure: CallFailure): FailureStatus {
  const name = nameByReason.get(failure.reason) ?? "INTERNAL";
  return {
    code: codeOf(name, failure.facts),
    message: shorten(failure.message, limits.messageLengthMax),
    details: fittingDetails(name, failure.facts),
    retryPushbackMs: pushbackMs(failure.facts),
  };
}

/** The bytes of `grpc-status-details-bin`. */
export function encodeStatus(status: FailureStatus): Uint8Array {
  const details = status.details.map(({ desc, bytes }) =>
    create(AnySchema, { typeUrl: `type.googleapis.com/${desc.typeName}`, value: bytes }),
  );
  const { code, message } = status;
  return encoderOf(rpcStatus.StatusSchema)(create(rpcStatus.StatusSchema, { code, message, details }));
}

/** A provider account that is the caller's own is the caller's to mend; the pipeline says so with a precondition. */
function codeOf(name: ReasonName, facts: CallFailureFacts): RpcCode {
  const isProviderAccount = name === "PROVIDER_QUOTA_EXHAUSTED" || name === "PROVIDER_CREDENTIALS_REJECTED";
  return isProviderAccount && facts.precondition !== undefined ? RpcCode.FAILED_PRECONDITION : codeByReason[name];
}

/** A wait without an end, e.g. for a limit that lets nothing through, is none. */
function pushbackMs({ retryAfterMs }: CallFailureFacts): number {
  return retryAfterMs === undefined || !Number.isFinite(retryAfterMs) ? -1 : Math.max(0, Math.ceil(retryAfterMs));
}

function fittingDetails(name: ReasonName, facts: CallFailureFacts): readonly StatusDetail[] {
  for (const generosity of generosities) {
    const details = toDetails(name, facts, generosity);
    if (packedBytes(details) < limits.detailsBytesMax) {
      return details;
    }
  }
  return toDetails(name, facts, leastGenerosity);
}

function packedBytes(details: readonly StatusDetail[]): number {
  // Each detail adds its type URL and a few bytes of framing.
  return details.reduce((sum, { desc, bytes }) => sum + bytes.length + desc.typeName.length + 32, 0);
}

function toDetails(name: ReasonName, facts: CallFailureFacts, told: Generosity): readonly StatusDetail[] {
  return [
    errorInfo(name, facts, told),
    ...retryInfo(facts),
    ...badRequest(facts, told),
    ...quotaFailure(facts, told),
    ...preconditionFailure(facts, told),
    ...resourceInfo(facts, told),
    ...help(name),
    ...requestInfo(name, facts, told),
    ...attemptFailures(facts, told),
    ...streamFailure(facts, told),
  ];
}

function detail<Desc extends DescMessage>(desc: Desc, value: MessageShape<Desc>): StatusDetail {
  return { desc, value, bytes: encoderOf(desc)(value) };
}

function encoderOf(desc: DescMessage): (message: MessageShape<DescMessage>) => Uint8Array {
  let encode = encoders.get(desc);
  if (encode === undefined) {
    encode = compileEncoder(desc);
    encoders.set(desc, encode);
  }
  return encode;
}

function errorInfo(reason: ReasonName, facts: CallFailureFacts, told: Generosity): StatusDetail {
  const metadata = Object.entries(facts.metadata ?? {}).slice(0, told.entries);
  return detail(
    rpcDetails.ErrorInfoSchema,
    create(rpcDetails.ErrorInfoSchema, {
      reason,
      domain: "llmgateway",
      metadata: Object.fromEntries(metadata.map(([key, value]) => [shorten(key, 64), shorten(value, told.text)])),
    }),
  );
}

function retryInfo(facts: CallFailureFacts): readonly StatusDetail[] {
  if (facts.retryAfterMs === undefined) {
    return [];
  }
  const delayMs = pushbackMs(facts);
  const retryDelay = { seconds: BigInt(Math.floor(delayMs / 1000)), nanos: (delayMs % 1000) * 1_000_000 };
  return [detail(rpcDetails.RetryInfoSchema, create(rpcDetails.RetryInfoSchema, { retryDelay }))];
}

function badRequest(facts: CallFailureFacts, told: Generosity): readonly StatusDetail[] {
  const fieldViolations = (facts.violations ?? []).slice(0, told.entries).map(({ field, description }) => ({
    field: shorten(field, told.text),
    description: shorten(description, told.text),
  }));
  return fieldViolations.length === 0
    ? []
    : [detail(rpcDetails.BadRequestSchema, create(rpcDetails.BadRequestSchema, { fieldViolations }))];
}

function quotaFailure(facts: CallFailureFacts, told: Generosity): readonly StatusDetail[] {
  const violations = (facts.quota ?? []).slice(0, told.entries).map(({ subject, description }) => ({
    subject: shorten(subject, told.text),
    description: shorten(description, told.text),
  }));
  return violations.length === 0
    ? []
    : [detail(rpcDetails.QuotaFailureSchema, create(rpcDetails.QuotaFailureSchema, { violations }))];
}

function preconditionFailure(facts: CallFailureFacts, told: Generosity): readonly StatusDetail[] {
  if (facts.precondition === undefined) {
    return [];
  }
  const { type, subject, description } = facts.precondition;
  const violations = [
    { type: shorten(type, 64), subject: shorten(subject, told.text), description: shorten(description, told.text) },
  ];
  return [detail(rpcDetails.PreconditionFailureSchema, create(rpcDetails.PreconditionFailureSchema, { violations }))];
}

function resourceInfo(facts: CallFailureFacts, told: Generosity): readonly StatusDetail[] {
  if (facts.resource === undefined) {
    return [];
  }
  const value = {
    resourceType: shorten(facts.resource.type, 64),
    resourceName: shorten(facts.resource.name, told.text),
  };
  return [detail(rpcDetails.ResourceInfoSchema, create(rpcDetails.ResourceInfoSchema, value))];
}

function help(name: ReasonName): readonly StatusDetail[] {
  if (name !== "MODEL_NOT_FOUND") {
    return [];
  }
  const links = [
    { description: "Models that this credential may call", url: "/llmgateway.v1.ModelService/ListModels" },
  ];
  return [detail(rpcDetails.HelpSchema, create(rpcDetails.HelpSchema, { links }))];
}

function requestInfo(name: ReasonName, facts: CallFailureFacts, told: Generosity): readonly StatusDetail[] {
  if (name !== "INTERNAL" && name !== "FEATURE_DISABLED") {
    return [];
  }
  const requestId = shorten(facts.metadata?.["requestId"] ?? "", told.text);
  return [detail(rpcDetails.RequestInfoSchema, create(rpcDetails.RequestInfoSchema, { requestId }))];
}

function attemptFailures(facts: CallFailureFacts, told: Generosity): readonly StatusDetail[] {
  const attempts = told.attempts === 0 ? [] : (facts.attempts ?? []).slice(-told.attempts);
  return attempts.length === 0
    ? []
    : [detail(AttemptFailuresSchema, create(AttemptFailuresSchema, { attempts: [...attempts] }))];
}

function streamFailure(facts: CallFailureFacts, told: Generosity): readonly StatusDetail[] {
  if (facts.streamFailure === undefined) {
    return [];
  }
  const { responseId, lastSequence, resumable, usage, cost } = facts.streamFailure;
  const position = { responseId: shorten(responseId, 128), lastSequence, resumable };
  const value = told.consumption ? { ...position, usage, cost } : position;
  return [detail(StreamFailureSchema, create(StreamFailureSchema, value))];
}

/** Cuts at a whole code point and marks the cut. */
function shorten(text: string, lengthMax: number): string {
  return text.length <= lengthMax ? text : `${text.slice(0, lengthMax - 1).replace(/[\uD800-\uDBFF]$/, "")}…`;
}
