// How a model name says what the simulator is to do: "sim-" and one or more words joined by "+". The table below is the
// whole language; `controlHelp` is printed by the command and stands in the docs.

/** What one request is to meet. Times in milliseconds. */
export type Controls = {
  /** Status of a refusal; `undefined`: answered. */
  readonly failStatus?: number | undefined;
  readonly retryAfterSeconds?: number | undefined;
  /** Number of words (tokens) of the answer; `undefined`: as long as the answer happens to be. */
  readonly tokens?: number | undefined;
  /** Tokens of reasoning before the answer; `undefined`: none unless the request asks. */
  readonly reasoningTokens?: number | undefined;
  /** Tool calls to make when tools are offered; 0: none unless the request demands one. */
  readonly toolCalls: number;
  readonly refusal: boolean;
  readonly contentFilter: boolean;
  /** Input tokens that count as read from, or written to, a prompt cache. */
  readonly cachedTokens: number;
  readonly cacheWriteTokens: number;
  /** No counts in the answer. */
  readonly noUsage: boolean;
  readonly firstTokenMs: number;
  readonly paceMs: number;
  /** What breaks on the way, and after how many pieces of the answer. */
  readonly fault?: Fault | undefined;
};

export type Fault =
  | { readonly kind: "cut" | "end" | "stall" | "error"; readonly afterPieces: number }
  /** Instead of an answer. */
  | { readonly kind: "garbage" | "html" | "silent" | "reset" };

export const noControls: Controls = {
  toolCalls: 0,
  refusal: false,
  contentFilter: false,
  cachedTokens: 0,
  cacheWriteTokens: 0,
  noUsage: false,
  firstTokenMs: 0,
  paceMs: 0,
};

type Word = {
  /** With `N` where a number goes. */
  readonly form: string;
  readonly pattern: RegExp;
  /** Largest number that it takes; beyond, the word does not exist. */
  readonly max: number;
  readonly help: string;
  readonly apply: (first: number, second: number | undefined) => Partial<Controls>;
};

/** Ten minutes. */
const millisecondsMax = 600_000;
/** An answer is made whole before it is sent: about 6 MB as a stream. */
const tokensMax = 20_000;
const toolCallsMax = 64;
const statusMax = 599;
const statusMin = 400;

const words: readonly Word[] = [
  word("small", 0, "answers at once, one short sentence about the question, as any other model name does", () => ({})),
  word("embed", 0, "as small; the word lists the model for embeddings", () => ({})),
  word("rerank", 0, "as small; lists it for reranking, billed by search or by input tokens", () => ({})),
  word("moderation", 0, "as small; lists it for moderation", () => ({})),
  word("image", 0, "as small; lists it for images, billed by tokens", () => ({})),
  word("dall-e", 0, "as small; lists it for images, billed by image, and gives no counts", () => ({ noUsage: true })),
  word("speech", 0, "as small; lists it for speech, billed by tokens", () => ({})),
  word("tts", 0, "as small; lists it for speech, billed by character", () => ({})),
  word("transcribe", 0, "as small; lists it for transcripts, billed by tokens", () => ({})),
  word("whisper", 0, "as small; lists it for transcripts, billed by time", () => ({})),
  word("tools", 0, "calls two of the tools offered", () => ({ toolCalls: 2 })),
  word("tools-N", toolCallsMax, "makes N tool calls, in parallel", (count) => ({ toolCalls: count })),
  word("thinking", 0, "reasons for 12 tokens first", () => ({ reasoningTokens: 12 })),
  word("thinking-N", tokensMax, "reasons for N tokens first", (tokens) => ({ reasoningTokens: tokens })),
  word("tokens-N", tokensMax, "answers with exactly N words, one token each", (tokens) => ({ tokens })),
  word("slow", 0, "waits 500 ms, then 50 ms a token", () => ({ firstTokenMs: 500, paceMs: 50 })),
  word("pace-Nms", millisecondsMax, "waits N ms before each token", (paceMs) => ({ paceMs })),
  word("slow-first-token-N", millisecondsMax, "waits N ms before the first token", (firstTokenMs) => ({
    firstTokenMs,
  })),
  word("refusal", 0, "refuses, in the provider's own form", () => ({ refusal: true })),
  word("content-filter", 0, "is stopped by the provider's filter", () => ({ contentFilter: true })),
  word("cached-N", tokensMax, "counts N input tokens as read from the prompt cache", (cachedTokens) => ({
    cachedTokens,
  })),
  word("cache-write-N", tokensMax, "counts N input tokens as written to the prompt cache", (cacheWriteTokens) => ({
    cacheWriteTokens,
  })),
  word("no-usage", 0, "reports no token counts", () => ({ noUsage: true })),
  word("fail-N", statusMax, "fails with HTTP status N", (failStatus) => ({ failStatus })),
  word(
    "fail-N-retry-after-N",
    millisecondsMax,
    "the same, with a Retry-After header in seconds",
    (failStatus, seconds) => ({
      failStatus,
      retryAfterSeconds: seconds,
    }),
  ),
  word("cut-after-N", tokensMax, "breaks the connection after N pieces", toFault("cut")),
  word("end-after-N", tokensMax, "ends the stream cleanly after N pieces, without its last events", toFault("end")),
  word("stall-after-N", tokensMax, "falls silent after N pieces", toFault("stall")),
  word("error-in-stream", 0, "sends an error after 2 pieces of a stream", () => toFault("error")(2)),
  word("error-in-stream-N", tokensMax, "sends an error after N pieces of a stream", toFault("error")),
  word("garbage", 0, "answers 200 with bytes that mean nothing", () => ({ fault: { kind: "garbage" } })),
  word("html", 0, "answers 200 with an HTML page", () => ({ fault: { kind: "html" } })),
  word("silent", 0, "sends the headers and then nothing", () => ({ fault: { kind: "silent" } })),
  word("reset", 0, "closes the connection without an answer", () => ({ fault: { kind: "reset" } })),
];

export const controlHelp: readonly { readonly form: string; readonly help: string }[] = words.map(({ form, help }) => ({
  form,
  help,
}));

/** Models that the simulator lists; every combination of words is served. */
export const listedModels: readonly string[] = [
  "sim-small",
  "sim-tools",
  "sim-thinking",
  "sim-slow",
  "sim-fail-429-retry-after-2",
  "sim-fail-500",
  "sim-cut-after-4",
  "sim-tokens-64+pace-20ms",
  "sim-embed",
  "sim-rerank",
  "sim-moderation",
  "sim-image",
  "sim-speech",
  "sim-transcribe",
];

/**
 * The controls in a model name. A name without the prefix, such as "gpt-4.1-mini", has none; `undefined`: it has the
 * prefix, and a word that does not exist.
 */
export function parseModelControls(model: string, base: Controls): Controls | undefined {
  return model.startsWith("sim-") ? parseControls(model.slice("sim-".length), base) : base;
}

/** Adds what the words say to `base`; a later word wins over an earlier one. */
export function parseControls(text: string, base: Controls): Controls | undefined {
  let controls = base;
  for (const part of text.split("+")) {
    const said = parseWord(part);
    if (said === undefined) return undefined;
    controls = { ...controls, ...said };
  }
  return controls;
}

function parseWord(text: string): Partial<Controls> | undefined {
  for (const { pattern, apply, max } of words) {
    const match = pattern.exec(text);
    if (match === null) continue;
    const [first = 0, second] = match.slice(1).map(Number);
    if (first > max || (second ?? 0) > max) return undefined;
    const controls = apply(first, second);
    return isPossible(controls) ? controls : undefined;
  }
  return undefined;
}

function isPossible({ failStatus }: Partial<Controls>): boolean {
  return failStatus === undefined || (failStatus >= statusMin && failStatus <= statusMax);
}

function toFault(kind: "cut" | "end" | "stall" | "error"): (afterPieces: number) => Partial<Controls> {
  return (afterPieces) => ({ fault: { kind, afterPieces } });
}

function word(form: string, max: number, help: string, apply: Word["apply"]): Word {
  return { form, max, help, apply, pattern: new RegExp(`^${form.replaceAll("N", "(\\d{1,7})")}$`) };
}
