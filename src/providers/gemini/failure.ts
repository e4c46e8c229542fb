// What Google's errors mean (google.rpc.Status as JSON; ai.google.dev/gemini-api/docs/troubleshooting). The reason in the
// details says more than the status: a bad key is a 400.
import type { HttpHeaders } from "../../domain/http.ts";
import { type FailureKind, ProviderFailure, type ProviderFailureFacts } from "../../domain/provider-failure.ts";
import { asArray, asObject, asString, JsonError, type JsonRecord, parseJson } from "../../wire/json.ts";
import { failureKindOfStatus } from "../failure-kind-of-status.ts";
import { toProviderMessage } from "../provider-message.ts";
import { toRetryAfterMs } from "../retry-after.ts";
import { wordTable } from "../word-table.ts";

/** An answer with an error status. Never throws. */
export function toFailure(status: number, headers: HttpHeaders, body: Uint8Array): ProviderFailure {
  const error = readError(new TextDecoder().decode(body));
  return fail(error, kindOf(error) ?? failureKindOfStatus(status), `the provider answered with status ${status}`, {
    httpStatus: status,
    retryAfterMs: error.retryAfterMs ?? toRetryAfterMs(headers),
  });
}

/** An error object within an answer or a stream; `payload` holds `error`. */
export function toFailureInside(payload: JsonRecord): ProviderFailure {
  const error = readStatus(payload);
  return fail(error, kindOf(error) ?? "unavailable", "the provider reported an error in its answer", {
    retryAfterMs: error.retryAfterMs,
  });
}

function fail(error: GoogleError, kind: FailureKind, message: string, facts: ProviderFailureFacts): ProviderFailure {
  return new ProviderFailure(kind, message, {
    ...facts,
    providerMessage: error.message === "" ? undefined : toProviderMessage(error.message),
    providerCode: error.reason || error.status || undefined,
    ...(kind === "context-length" ? readContextLength(error.message) : {}),
  });
}

const kindByStatus = wordTable<FailureKind>({
  INVALID_ARGUMENT: "rejected-request",
  FAILED_PRECONDITION: "rejected-request",
  OUT_OF_RANGE: "rejected-request",
  NOT_FOUND: "rejected-request",
  UNAUTHENTICATED: "credentials-rejected",
  PERMISSION_DENIED: "credentials-rejected",
  RESOURCE_EXHAUSTED: "rate-limited",
  CANCELLED: "unavailable",
  UNKNOWN: "unavailable",
  INTERNAL: "unavailable",
  UNAVAILABLE: "overloaded",
  DEADLINE_EXCEEDED: "timeout",
});

function kindOf(error: GoogleError): FailureKind | undefined {
  if (/^API_KEY_|^ACCESS_TOKEN_|^CREDENTIALS_/.test(error.reason)) return "credentials-rejected";
  if (/api key (not valid|expired)/i.test(error.message)) return "credentials-rejected";
  const kind = kindByStatus[error.status];
  // A model that the account may not use at all: waiting does not help.
  if (kind === "rate-limited" && /\blimit: 0\b/.test(error.message)) return "quota-exhausted";
  return kind === "rejected-request" ? refine(error.message) : kind;
}

function refine(message: string): FailureKind {
  if (/token count .*exceeds the maximum/i.test(message)) return "context-length";
  if (/payload size exceeds|exceeds the (size )?limit/i.test(message)) return "payload-too-large";
  if (/(unable to|cannot|failed to) (process|fetch|decode|download|open)/i.test(message)) return "media-unreadable";
  return "rejected-request";
}

/** "The input token count (1250074) exceeds the maximum number of tokens allowed (1048576)." */
function readContextLength(message: string): ProviderFailureFacts {
  const [, actual, limit] = /\((\d+)\)\D+\((\d+)\)/.exec(message) ?? [];
  return actual === undefined ? {} : { contextActual: Number(actual), contextLimit: Number(limit) };
}

type GoogleError = {
  readonly status: string;
  readonly message: string;
  /** `ErrorInfo.reason`. */
  readonly reason: string;
  readonly retryAfterMs: number | undefined;
};

function readError(text: string): GoogleError {
  try {
    const parsed = parseJson(text);
    // A streamed request without `alt=sse` fails with an array of one object.
    return readStatus(asObject(asArray(parsed)?.[0] ?? parsed) ?? {});
  } catch (error) {
    if (error instanceof JsonError) return { status: "", message: toPlain(text), reason: "", retryAfterMs: undefined };
    throw error;
  }
}

/** An unknown location answers with an HTML page. */
function toPlain(text: string): string {
  return /^\s*</.test(text) ? "" : text;
}

function readStatus(payload: JsonRecord): GoogleError {
  const error = asObject(payload["error"]) ?? {};
  const details = (asArray(error["details"]) ?? []).map((detail) => asObject(detail) ?? {});
  const ofType = (name: string) => details.find((detail) => asString(detail["@type"])?.endsWith(name));
  return {
    status: asString(error["status"]) ?? "",
    message: asString(error["message"]) ?? asString(payload["error"]) ?? "",
    reason: asString(ofType("google.rpc.ErrorInfo")?.["reason"]) ?? "",
    retryAfterMs: toDelayMs(asString(ofType("google.rpc.RetryInfo")?.["retryDelay"])),
  };
}

/** A protobuf duration as JSON: "36s", "48.939935699s". */
function toDelayMs(text: string | undefined): number | undefined {
  const seconds = /^(\d+(?:\.\d+)?)s$/.exec(text ?? "")?.[1];
  return seconds === undefined ? undefined : Math.ceil(Number(seconds) * 1000);
}
