// What Bedrock's exceptions mean ("Converse", errors; "Common errors"). The type stands in a header, or in the name of a
// frame; the body holds a message only.
import type { HttpHeaders } from "../../domain/http.ts";
import { type FailureKind, ProviderFailure } from "../../domain/provider-failure.ts";
import { asNumber, asString, type JsonRecord } from "../../wire/json.ts";
import type { WireEvent } from "../../wire/wire-event.ts";
import { parseErrorEnvelope, wordsOf } from "../error-envelope.ts";
import { failureKindOfStatus } from "../failure-kind-of-status.ts";
import { toProviderMessage } from "../provider-message.ts";
import { toRetryAfterMs } from "../retry-after.ts";
import { wordTable } from "../word-table.ts";

/** An answer with an error status. Never throws. */
export function toFailure(status: number, headers: HttpHeaders, body: Uint8Array): ProviderFailure {
  const text = new TextDecoder().decode(body);
  const envelope = parseErrorEnvelope(text);
  const type = toType(headers["x-amzn-errortype"] ?? asString(envelope?.["__type"]) ?? "");
  const message = envelope === undefined ? wordsOf(text) : messageOf(envelope);
  const kind = refine(kindByType[type] ?? failureKindOfStatus(status), message);
  return fail(kind, `the provider answered with status ${status}: ${kind}`, type, message, {
    httpStatus: status,
    retryAfterMs: toRetryAfterMs(headers),
    providerRequestId: headers["x-amzn-requestid"],
  });
}

/** A frame of a stream with `:message-type` "exception" or "error". */
export function toFailureOfException({ name, data }: WireEvent): ProviderFailure {
  const type = name.charAt(0).toUpperCase() + name.slice(1);
  const envelope = parseErrorEnvelope(data);
  const message = envelope === undefined ? wordsOf(data) : messageOf(envelope);
  const original = asNumber(envelope?.["originalStatusCode"]);
  const fallback = original !== undefined && original >= 400 ? failureKindOfStatus(original) : "unavailable";
  const kind = refine(kindByType[type] ?? fallback, message);
  return fail(kind, "the provider reported an error in its stream", type, message, {});
}

type Facts = {
  readonly httpStatus?: number;
  readonly retryAfterMs?: number | undefined;
  readonly providerRequestId?: string | undefined;
};

function fail(kind: FailureKind, text: string, type: string, message: string, facts: Facts): ProviderFailure {
  return new ProviderFailure(kind, text, {
    ...facts,
    providerMessage: message === "" ? undefined : toProviderMessage(message),
    providerCode: type === "" ? undefined : toProviderMessage(type),
    ...(kind === "context-length" ? readContextLength(message) : {}),
  });
}

const kindByType = wordTable<FailureKind>({
  AccessDeniedException: "credentials-rejected",
  ExpiredTokenException: "credentials-rejected",
  IncompleteSignatureException: "credentials-rejected",
  InternalFailure: "unavailable",
  InternalServerException: "unavailable",
  InvalidClientTokenId: "credentials-rejected",
  InvalidSignatureException: "credentials-rejected",
  MissingAuthenticationTokenException: "credentials-rejected",
  ModelErrorException: "unavailable",
  ModelNotReadyException: "overloaded", // Status 429: the model is being loaded.
  ModelStreamErrorException: "unavailable",
  ModelTimeoutException: "timeout",
  NotAuthorized: "credentials-rejected",
  OptInRequired: "credentials-rejected",
  RequestEntityTooLargeException: "payload-too-large",
  ResourceNotFoundException: "rejected-request",
  ServiceQuotaExceededException: "quota-exhausted",
  ServiceUnavailableException: "overloaded",
  ThrottlingException: "rate-limited",
  TooManyRequestsException: "rate-limited",
  UnrecognizedClientException: "credentials-rejected",
  ValidationException: "rejected-request",
});

/** "ValidationException:http://internal.amazon.com/…" and "com.amazon.coral.service#ThrottlingException" to the name. */
function toType(text: string): string {
  const [head = ""] = text.split(":");
  return head.slice(head.lastIndexOf("#") + 1).trim();
}

/** Causes told by words alone: the models' own errors are passed on within a ValidationException. */
function refine(kind: FailureKind, message: string): FailureKind {
  if (kind !== "rejected-request") return kind;
  if (contextSigns.test(message)) return "context-length";
  if (/image exceeds|exceeds? (?:the )?max(?:imum)? (?:allowed )?(?:file |image |payload )?size/i.test(message)) {
    return "payload-too-large";
  }
  if (/(?:could not|unable to|failed to) (?:process|download|fetch|decode|read)/i.test(message))
    return "media-unreadable";
  return kind;
}

const contextSigns =
  /(?:input|prompt|request) is too long|input tokens exceed|too many (?:input )?tokens|exceeds?[^.]*(?:maximum (?:input |context )?length|context (?:window|length|limit))|maximum context length/i;

/** Claude: "prompt is too long: 210000 tokens > 200000 maximum". */
function readContextLength(message: string): { contextActual?: number; contextLimit?: number } {
  const [, actual, limit] = /(\d+)(?: tokens)? > (\d+)/.exec(message) ?? [];
  return actual === undefined ? {} : { contextActual: Number(actual), contextLimit: Number(limit) };
}

/** Some services write it with a capital. `originalMessage` is the model's own. */
function messageOf(envelope: JsonRecord): string {
  const message = asString(envelope["message"]) ?? asString(envelope["Message"]) ?? "";
  const original = asString(envelope["originalMessage"]) ?? "";
  return original === "" || message.includes(original) ? message : `${message} ${original}`.trim();
}
