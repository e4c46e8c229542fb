// What Anthropic's errors mean ("Errors", platform.claude.com/docs/en/api/errors). The type in the body says more than the
// status; the message says more than the type for three causes that the API has no type for.
import type { HttpHeaders } from "../../domain/http.ts";
import { type FailureKind, ProviderFailure, type ProviderFailureFacts } from "../../domain/provider-failure.ts";
import { asObject, asString, JsonError, type JsonRecord, parseJson } from "../../wire/json.ts";
import { failureKindOfStatus } from "../failure-kind-of-status.ts";
import { toProviderMessage } from "../provider-message.ts";
import { toRetryAfterMs } from "../retry-after.ts";
import { wordTable } from "../word-table.ts";

/** An answer with an error status. Never throws. */
export function toFailure(status: number, headers: HttpHeaders, body: Uint8Array): ProviderFailure {
  const error = readError(new TextDecoder().decode(body));
  const kind = refine(kindByType[error.type] ?? failureKindOfStatus(status), error.message);
  const requestId = error.requestId || headers["request-id"] || headers["x-request-id"];
  return fail(kind, `the provider answered with status ${status}`, error, {
    httpStatus: status,
    retryAfterMs: toRetryAfterMs(headers) ?? (status === 429 ? toResetMs(headers) : undefined),
    providerRequestId: requestId,
  });
}

/** An `error` event, or a bare error object, within a stream; `payload` is its JSON. */
export function toStreamFailure(payload: JsonRecord): ProviderFailure {
  const error = readErrorObject(payload);
  const kind = refine(kindByType[error.type] ?? "unavailable", error.message);
  return fail(kind, "the provider reported an error in its stream", error, { providerRequestId: error.requestId });
}

const kindByType = wordTable<FailureKind>({
  invalid_request_error: "rejected-request",
  authentication_error: "credentials-rejected",
  billing_error: "quota-exhausted",
  permission_error: "credentials-rejected",
  not_found_error: "rejected-request",
  request_too_large: "payload-too-large",
  rate_limit_error: "rate-limited",
  timeout_error: "timeout",
  api_error: "unavailable",
  overloaded_error: "overloaded",
});

function fail(kind: FailureKind, message: string, error: ApiError, facts: ProviderFailureFacts): ProviderFailure {
  return new ProviderFailure(kind, message, {
    ...facts,
    providerMessage: error.message === "" ? undefined : toProviderMessage(error.message),
    providerCode: error.type === "" ? undefined : error.type,
    ...(kind === "context-length" ? readContextLength(error.message) : {}),
  });
}

/** Causes told by words alone. */
function refine(kind: FailureKind, message: string): FailureKind {
  if (/credit balance is too low/i.test(message)) return "quota-exhausted";
  if (kind !== "rejected-request") return kind;
  if (/prompt is too long|exceed(s)? (the )?context (limit|window)/i.test(message)) return "context-length";
  if (/image exceeds|exceeds the maximum (allowed )?size|too many (images|pages)/i.test(message))
    return "payload-too-large";
  if (/(could not|unable to|failed to) (process|download|fetch|decode)/i.test(message)) return "media-unreadable";
  return kind;
}

/** "prompt is too long: 210000 tokens > 200000 maximum", "…exceed context limit: 190000 + 20000 > 200000, …". */
function readContextLength(message: string): ProviderFailureFacts {
  const [, first, second, limit] = /(\d+)(?: \+ (\d+))?(?: tokens)? > (\d+)/.exec(message) ?? [];
  if (first === undefined || limit === undefined) return {};
  return { contextActual: Number(first) + Number(second ?? 0), contextLimit: Number(limit) };
}

type ApiError = { readonly type: string; readonly message: string; readonly requestId: string | undefined };

function readError(text: string): ApiError {
  try {
    return readErrorObject(asObject(parseJson(text)) ?? {});
  } catch (error) {
    if (error instanceof JsonError) return { type: "", message: text, requestId: undefined }; // A proxy's page.
    throw error;
  }
}

/** `{"type":"error","error":{type,message},"request_id"}`; the edge leaves out the outer type, proxies send `error` as text. */
function readErrorObject(payload: JsonRecord): ApiError {
  const error = asObject(payload["error"]);
  return {
    type: asString(error?.["type"]) ?? "",
    message: asString(error?.["message"]) ?? asString(payload["error"]) ?? asString(payload["message"]) ?? "",
    requestId: asString(payload["request_id"]),
  };
}

/**
 * When every used-up allowance is full again, by `anthropic-ratelimit-<what>-reset` (RFC 3339) against the answer's own
 * `date`; `undefined` without either.
 */
function toResetMs(headers: HttpHeaders): number | undefined {
  const now = secondOfDay(headers["date"]);
  if (now === undefined) return undefined;
  const waits = Object.entries(headers).flatMap(([name, value]) => {
    const what = /^anthropic-ratelimit-(.+)-reset$/.exec(name)?.[1];
    const reset = what === undefined ? undefined : secondOfDay(value);
    const isUsedUp = headers[`anthropic-ratelimit-${what}-remaining`] === "0";
    return reset === undefined || !isUsedUp ? [] : [(reset - now + daySeconds) % daySeconds];
  });
  // Allowances refill within minutes: what seems almost a day away has just passed.
  const ahead = waits.map((seconds) => (seconds > daySeconds / 2 ? 0 : seconds));
  return ahead.length === 0 ? undefined : Math.max(...ahead) * 1000;
}

const daySeconds = 86_400;

/** Seconds since midnight UTC of an HTTP date or an RFC 3339 time in UTC. */
function secondOfDay(text: string | undefined): number | undefined {
  const [, hours, minutes, seconds] = /(\d{2}):(\d{2}):(\d{2})/.exec(text ?? "") ?? [];
  return hours === undefined ? undefined : Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
}
