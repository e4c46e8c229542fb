// What Cohere's errors mean (docs.cohere.com/reference/errors): `{"message"}`, sometimes with `error_type` and `id`; and in
// an answer with status 200, a finish reason.
import type { HttpHeaders } from "../../domain/http.ts";
import { type FailureKind, ProviderFailure } from "../../domain/provider-failure.ts";
import { asString, type JsonRecord } from "../../wire/json.ts";
import { parseErrorEnvelope, wordsOf } from "../error-envelope.ts";
import { failureKindOfStatus } from "../failure-kind-of-status.ts";
import { toProviderMessage } from "../provider-message.ts";
import { toResetMs, toRetryAfterMs } from "../retry-after.ts";
import { wordTable } from "../word-table.ts";

/** An answer with an error status. Never throws. */
export function toFailure(status: number, headers: HttpHeaders, body: Uint8Array): ProviderFailure {
  const text = new TextDecoder().decode(body);
  const envelope = parseErrorEnvelope(text);
  const message = asString(envelope?.["message"]) ?? asString(envelope?.["error"]) ?? (envelope ? "" : wordsOf(text));
  const type = asString(envelope?.["error_type"]) ?? "";
  const kind = refine(kindByType[type] ?? failureKindOfStatus(status), status, message);
  return new ProviderFailure(kind, `the provider answered with status ${status}: ${kind}`, {
    httpStatus: status,
    retryAfterMs: toRetryAfterMs(headers) ?? (status === 429 ? toResetMs(headers) : undefined),
    providerMessage: message === "" ? undefined : toProviderMessage(message),
    providerCode: type === "" ? undefined : toProviderMessage(type),
    providerRequestId: asString(envelope?.["id"]) ?? headers["x-debug-trace-id"] ?? headers["x-request-id"],
    ...(kind === "context-length" ? readContextLength(message) : {}),
  });
}

/** The end of a failed answer: `finish_reason` beside `error` and `error_type`. `undefined`: it did not fail. */
export function toFailureOfEnd(end: JsonRecord): ProviderFailure | undefined {
  const word = asString(end["finish_reason"]) ?? "";
  const ofWord = kindByFinish[word];
  const error = asString(end["error"]) ?? "";
  if (ofWord === undefined && error === "") return undefined;
  const type = asString(end["error_type"]) ?? "";
  const kind = refine(kindByType[type] ?? ofWord ?? "unavailable", 0, error);
  return new ProviderFailure(kind, "the provider ended its answer with an error", {
    providerMessage: error === "" ? undefined : toProviderMessage(error),
    providerCode: toProviderMessage(type || word),
  });
}

const kindByFinish = wordTable<FailureKind>({
  ERROR: "unavailable",
  TIMEOUT: "timeout",
  ERROR_LIMIT: "context-length",
  ERROR_TOXIC: "content-filtered",
  USER_CANCEL: "interrupted",
});

const kindByType = wordTable<FailureKind>({
  TOO_MANY_TOKENS: "context-length",
  // The model wrote a call that cannot be read. Another try may give a better one.
  INVALID_TOOL_GENERATION: "bad-response",
});

/** Causes told by words alone. */
function refine(kind: FailureKind, status: number, message: string): FailureKind {
  if (status === 429 && /trial key|monthly|calls \/ month/i.test(message)) return "quota-exhausted";
  if (kind !== "rejected-request") return kind;
  if (/too many tokens|size limit exceeded by \d+ tokens/i.test(message)) return "context-length";
  if (/image (?:is )?too (?:large|big)|exceeds? the maximum (?:image|file) size/i.test(message))
    return "payload-too-large";
  if (/(?:could not|unable to|failed to) (?:process|download|fetch|decode)/i.test(message)) return "media-unreadable";
  return kind;
}

/** "too many tokens: size limit exceeded by 25836 tokens. … The limit for this model is 288000 tokens." */
function readContextLength(message: string): { contextLimit?: number; contextActual?: number } {
  const limit = /limit for this model is (\d+)/i.exec(message)?.[1];
  const excess = /exceeded by (\d+)/i.exec(message)?.[1];
  if (limit === undefined) return {};
  if (excess === undefined) return { contextLimit: Number(limit) };
  return { contextLimit: Number(limit), contextActual: Number(limit) + Number(excess) };
}
