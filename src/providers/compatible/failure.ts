// What an error of an OpenAI-style server means. The envelopes differ (an object, a string, `detail`, fields at the top), so
// the words are gathered first and judged after. https://platform.openai.com/docs/guides/error-codes
import type { HttpHeaders } from "../../domain/http.ts";
import { type FailureKind, ProviderFailure } from "../../domain/provider-failure.ts";
import { asArray, asNumber, asObject, asString, type JsonRecord } from "../../wire/json.ts";
import { wordsOf } from "../error-envelope.ts";
import { failureKindOfStatus } from "../failure-kind-of-status.ts";
import { toProviderMessage } from "../provider-message.ts";
import { parseResetMs, toResetMs, toRetryAfterMs } from "../retry-after.ts";
import { wordTable } from "../word-table.ts";
import { parseOrUndefined } from "./parse-or-undefined.ts";

/** An answer with an error status. `body` may be JSON, HTML, cut, or empty. Never throws. */
export function toFailure(status: number, headers: HttpHeaders, body: Uint8Array): ProviderFailure {
  const text = new TextDecoder().decode(body);
  const words = readEnvelope(parseOrUndefined(text)) ?? { ...noWords, message: toPlainMessage(text) };
  return build(words, status, headers);
}

/** An error inside an answer with status 200: a whole body, or an event of a stream. `envelope` holds the `error`. */
export function toFailureInside(envelope: unknown): ProviderFailure {
  const words = readEnvelope(envelope) ?? noWords;
  return build(words, words.status ?? 0, {});
}

type ErrorWords = {
  readonly message: string;
  readonly type: string;
  readonly code: string;
  /** A status that stands in the body: OpenRouter, llama.cpp, vLLM as `code`, Groq as `status_code`. */
  readonly status: number | undefined;
  readonly requestId: string;
  /** Hugging Face: seconds until the model is loaded. */
  readonly waitSeconds: number | undefined;
  readonly innerCode: string;
  /** llama.cpp: `n_ctx` and `n_prompt_tokens`. */
  readonly contextLimit: number | undefined;
  readonly contextActual: number | undefined;
};

const noWords: ErrorWords = {
  message: "",
  type: "",
  code: "",
  status: undefined,
  requestId: "",
  waitSeconds: undefined,
  innerCode: "",
  contextLimit: undefined,
  contextActual: undefined,
};

/** `undefined` when the body is no error object at all. An array holds one (Google's compatible endpoint). */
function readEnvelope(body: unknown): ErrorWords | undefined {
  const top = asObject(asArray(body)?.[0] ?? body);
  if (top === undefined) return undefined;
  const error = asObject(top["error"]) ?? {};
  const metadata = asObject(error["metadata"]) ?? {};
  const field = (name: string): unknown => error[name] ?? top[name];
  return {
    message: toMessage(top, error, metadata),
    type: asString(field("type")) ?? asString(top["error_type"]) ?? "",
    code: toCode(field("code")),
    status: toStatus(top["status_code"] ?? error["status_code"] ?? field("code") ?? error["status"]),
    requestId: asString(top["request_id"]) ?? asString(error["request_id"]) ?? asString(top["id"]) ?? "",
    waitSeconds: asNumber(top["estimated_time"]),
    innerCode: asString(asObject(error["innererror"])?.["code"]) ?? "",
    contextLimit: asNumber(error["n_ctx"]),
    contextActual: asNumber(error["n_prompt_tokens"]),
  };
}

function toMessage(top: JsonRecord, error: JsonRecord, metadata: JsonRecord): string {
  const raw = asString(metadata["raw"]); // OpenRouter: what the upstream said; its own message is only "Provider returned error".
  const own = [error["message"], top["error"], top["message"], top["detail"], top["error_description"]].find(isSaid);
  if (own === undefined) return raw ?? "";
  const text = asString(own) ?? JSON.stringify(own); // Mistral's 422 has an object or a list here.
  return raw === undefined ? text : `${text}: ${raw}`;
}

function isSaid(value: unknown): boolean {
  return typeof value === "string" ? value !== "" : asArray(value) !== undefined || hasMembers(value);
}

function hasMembers(value: unknown): boolean {
  const record = asObject(value);
  return record !== undefined && record["message"] === undefined && Object.keys(record).length > 0;
}

function toCode(value: unknown): string {
  return asString(value) ?? asNumber(value)?.toString() ?? "";
}

function toStatus(value: unknown): number | undefined {
  const status = typeof value === "string" && /^\d{3}$/.test(value) ? Number(value) : asNumber(value);
  return status !== undefined && status >= 400 && status < 600 ? status : undefined;
}

function build(words: ErrorWords, status: number, headers: HttpHeaders): ProviderFailure {
  const kind = toKind(words, status);
  const isContext = kind === "context-length";
  return new ProviderFailure(kind, describe(kind, status), {
    httpStatus: status,
    retryAfterMs: toWaitMs(words, status, headers),
    providerMessage: words.message === "" ? undefined : toProviderMessage(words.message),
    providerCode: toProviderMessage(words.code || words.type) || undefined,
    providerRequestId: headers["x-request-id"] ?? headers["apim-request-id"] ?? (words.requestId || undefined),
    contextLimit: isContext ? (words.contextLimit ?? findNumber(words.message, limitPatterns)) : undefined,
    contextActual: isContext ? (words.contextActual ?? findNumber(words.message, actualPatterns)) : undefined,
  });
}

function describe(kind: FailureKind, status: number): string {
  return status === 0
    ? `the provider reported an error: ${kind}`
    : `the provider answered with status ${status}: ${kind}`;
}

type Sign = { readonly kind: FailureKind; readonly codes: readonly string[]; readonly words?: RegExp };

/** Signs in the body that say more than the status does. The first that fits wins. */
const signs: readonly Sign[] = [
  {
    kind: "content-filtered",
    codes: ["content_filter", "content_policy_violation", "responsibleaipolicyviolation", "moderation_blocked"],
    words: /content management policy|flagged (?:by|as)|content moderation|safety system/i,
  },
  {
    kind: "context-length",
    codes: ["context_length_exceeded", "exceed_context_size_error", "string_above_max_length"],
    words:
      /maximum (?:context|prompt) length|context (?:length|window|size)[^.]*exceed|exceed[^.]*context|max_new_tokens` must be <=|reduce the length of the (?:messages|prompt)|too large for model with \d+ maximum/i,
  },
  {
    kind: "quota-exhausted",
    codes: [
      "insufficient_quota",
      "insufficient_balance",
      "billing_hard_limit_reached",
      "billing_not_active",
      "payment_required",
    ],
    words:
      /exceeded your current quota|insufficient (?:balance|credits|funds|quota)|requires more credits|credit balance|used all available credits/i,
  },
  {
    kind: "media-unreadable",
    codes: [
      "invalid_image_url",
      "invalid_image",
      "invalid_base64_image",
      "image_parse_error",
      "unsupported_file",
      "invalid_image_format",
    ],
    words:
      /(?:failed|unable|could not|cannot) (?:to )?(?:download|fetch|decode|process|load|identify)[^.]*(?:image|audio|video|file|media|url)/i,
  },
  { kind: "payload-too-large", codes: ["image_too_large", "request_too_large", "file_too_large"] },
  {
    kind: "credentials-rejected",
    codes: ["invalid_api_key", "authentication_error", "permission_denied", "access_terminated_error"],
    words: /(?:incorrect|invalid|missing|no) (?:api[ _]key|auth)/i,
  },
  {
    kind: "overloaded",
    codes: ["overloaded", "overloaded_error", "engine_overloaded", "engine_overloaded_error", "capacity_exceeded"],
  },
];

/** Kinds of `type` and `code` when there is no status, as inside a stream. */
const kindByType = wordTable<FailureKind>({
  invalid_request_error: "rejected-request",
  validation: "rejected-request", // TGI.
  not_found_error: "rejected-request",
  model_not_found: "rejected-request",
  rate_limit_error: "rate-limited",
  rate_limit_exceeded: "rate-limited",
  tokens: "rate-limited",
  requests: "rate-limited",
  timeout: "timeout",
  incomplete_generation: "bad-response", // TGI.
});

function toKind(words: ErrorWords, status: number): FailureKind {
  const bodyMatters = status === 0 || (status >= 400 && status < 500);
  if (bodyMatters) {
    const sign = signs.find((candidate) => shows(candidate, words) && isPossible(candidate.kind, status));
    if (sign !== undefined) return sign.kind;
  }
  if (status !== 0) return failureKindOfStatus(status);
  return kindByType[words.code.toLowerCase()] ?? kindByType[words.type.toLowerCase()] ?? "unavailable";
}

function shows(sign: Sign, words: ErrorWords): boolean {
  const codes = [words.code, words.type, words.innerCode].map((code) => code.toLowerCase());
  return sign.codes.some((code) => codes.includes(code)) || sign.words?.test(words.message) === true;
}

/** A 429 may mean an empty account or an overloaded engine, but never a filter or a bad key; a 401 is about keys only. */
function isPossible(kind: FailureKind, status: number): boolean {
  if (status === 429) return kind === "quota-exhausted" || kind === "overloaded";
  if (status === 401) return kind === "credentials-rejected";
  return true;
}

function toWaitMs(words: ErrorWords, status: number, headers: HttpHeaders): number | undefined {
  const fromHeaders = toRetryAfterMs(headers);
  if (fromHeaders !== undefined) return fromHeaders;
  if (words.waitSeconds !== undefined && words.waitSeconds >= 0) return Math.ceil(words.waitSeconds * 1000);
  if (status !== 429 && status !== 0) return undefined;
  const said = /try again in ((?:\d+(?:\.\d+)?(?:ms|s|m|h))+)/i.exec(words.message)?.[1];
  return (said === undefined ? undefined : parseResetMs(said)) ?? (status === 429 ? toResetMs(headers) : undefined);
}

const limitPatterns: readonly RegExp[] = [
  /maximum (?:context|prompt) length (?:is|of) (\d+)/i,
  /must be <= (\d+)/i,
  /model with (\d+) maximum context/i,
  /limit(?: is)? (\d+)/i,
];

const actualPatterns: readonly RegExp[] = [
  /requested (?:about )?(\d+)/i,
  /resulted in (\d+)/i,
  /request contains (\d+)/i,
  /prompt contains (\d+)/i,
  /current length is (\d+)/i,
];

function findNumber(text: string, patterns: readonly RegExp[]): number | undefined {
  for (const pattern of patterns) {
    const found = pattern.exec(text)?.[1];
    if (found !== undefined) return Number(found);
  }
  return undefined;
}

/** A body without JSON: a proxy's page says nothing worth showing but its title. */
function toPlainMessage(text: string): string {
  const title = /<title>([^<]{1,200})<\/title>/i.exec(text)?.[1];
  if (title !== undefined) return title;
  return wordsOf(text);
}
