import type { FailureKind } from "../../src/domain/provider-failure.ts";
import type { CorpusCase } from "./corpus.ts";

/** What a failure has to say. */
export type ExpectedFailure = { readonly kind: FailureKind; readonly retryAfterMs?: number };

const kindByStatus: Readonly<Record<number, FailureKind>> = {
  400: "rejected-request",
  401: "credentials-rejected",
  402: "quota-exhausted",
  403: "credentials-rejected",
  404: "rejected-request",
  413: "payload-too-large",
  422: "rejected-request",
  429: "rate-limited",
  500: "unavailable",
  502: "unavailable",
  503: "overloaded",
};

/** Where the body says more than the status, or how long to wait. By case id. */
const exceptions: Readonly<Record<string, ExpectedFailure>> = {
  "azure-openai-chat-unary-error-429-c8755283": { kind: "rate-limited", retryAfterMs: 1000 },
  "azure-openai-chat-unary-safety-block-400-synthetic-2b5ffd": { kind: "content-filtered" },
  "deepseek-chat-unary-context-length-exceeded-400-e7245931": { kind: "context-length" },
  "huggingface-chat-unary-error-503-synthetic-431fcb": { kind: "overloaded", retryAfterMs: 20_000 },
  "openai-chat-unary-context-length-exceeded-400-synthetic-344468": { kind: "context-length" },
  "openai-responses-unary-error-400-ddab3423": { kind: "media-unreadable" },
  "openrouter-chat-unary-context-length-exceeded-400-c98811ca": { kind: "context-length" },
  "tgi-chat-unary-error-422-synthetic-b3749a": { kind: "context-length" },
  "vllm-chat-unary-context-length-exceeded-400-synthetic-a5a956": { kind: "context-length" },
  "xai-responses-unary-error-400-1f0d4616": { kind: "credentials-rejected" },
};

/** Failures inside an answer with status 200. */
const insideStatus200: Readonly<Record<string, FailureKind>> = {
  "openai-chat-stream-mid-stream-error-synthetic-ef3a3d": "unavailable",
  "openai-chat-stream-synthetic-synthetic-c83b0d": "interrupted",
  "tgi-chat-stream-mid-stream-error-synthetic-2abcea": "unavailable",
  "vllm-chat-stream-mid-stream-error-synthetic-dab064": "unavailable",
};

/** The failure that a case with status 200 ends in; `undefined`: it is an answer. */
export function failureInside({ id }: CorpusCase): FailureKind | undefined {
  return insideStatus200[id];
}

/** The failure that an error status means. */
export function failureOfStatus({ id, status }: CorpusCase): ExpectedFailure {
  const expected = exceptions[id] ?? { kind: kindByStatus[status] };
  if (expected.kind === undefined) throw new Error(`${id}: no expectation for status ${status}`);
  return { ...expected, kind: expected.kind };
}
