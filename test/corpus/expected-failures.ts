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
  "anthropic-messages-unary-context-length-exceeded-400-30126fa8": { kind: "context-length" },
  "anthropic-messages-unary-error-429-synthetic-7d28b7": { kind: "rate-limited", retryAfterMs: 13_000 },
  "gemini-generate-unary-error-400-c365f901": { kind: "credentials-rejected" },
  "gemini-generate-unary-error-429-49fd2fb5": { kind: "rate-limited", retryAfterMs: 48_000 },
  "vertex-generate-unary-context-length-exceeded-400-389952ce": { kind: "context-length" },
  "azure-openai-chat-unary-error-429-c8755283": { kind: "rate-limited", retryAfterMs: 1000 },
  "azure-openai-chat-unary-safety-block-400-synthetic-2b5ffd": { kind: "content-filtered" },
  "bedrock-converse-unary-error-400-d552dce6": { kind: "context-length" },
  "cohere-chat2-unary-context-length-exceeded-400-b0b592ce": { kind: "context-length" },
  "cohere-chat2-unary-error-429-synthetic-a29b51": { kind: "rate-limited", retryAfterMs: 30_000 },
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
  "anthropic-messages-stream-mid-stream-error-a3863e2b": "unavailable",
  "anthropic-messages-stream-synthetic-synthetic-a38ead": "interrupted",
  "bedrock-converse-stream-malformed-8298eaba": "bad-response",
  "bedrock-converse-stream-mid-stream-error-synthetic-71b3c6": "rate-limited",
  "bedrock-converse-stream-mid-stream-error-synthetic-c309ad": "unavailable",
  "cohere-chat2-stream-mid-stream-error-8f9f6d36": "bad-response",
  "vertex-generate-stream-mid-stream-error-5cc15679": "unavailable",
  "vertex-generate-stream-safety-block-dedb3615": "content-filtered",
  "vertex-generate-unary-safety-block-dfe16821": "content-filtered",
  "ollama-apichat-stream-mid-stream-error-synthetic-2e016a": "unavailable",
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
