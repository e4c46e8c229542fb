// Streams as the providers send them, one piece an event, made here: shapes from their API references.
import { toEventFrame } from "../src/simulator/bedrock/event-frame.ts";

const words = ["The ", "gateway ", "answers ", "in ", "one ", "shape, ", "whichever ", "model ", "served "];

export const unaryBody: Uint8Array = Buffer.from(
  JSON.stringify({
    id: "chatcmpl-B1",
    object: "chat.completion",
    created: 1_760_000_000,
    model: "gpt-4.1-mini-2025-04-14",
    choices: [
      {
        index: 0,
        message: { role: "assistant", content: words.join("").repeat(4), refusal: null, annotations: [] },
        logprobs: null,
        finish_reason: "stop",
      },
    ],
    usage: {
      prompt_tokens: 14,
      completion_tokens: 36,
      total_tokens: 50,
      prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
      completion_tokens_details: { reasoning_tokens: 0, audio_tokens: 0 },
    },
    service_tier: "default",
    system_fingerprint: "fp_1",
  }),
);

/** A stream of `deltas` text deltas with its beginning and its end. */
export function burstOf(wire: string, deltas: number): readonly Uint8Array[] {
  const texts = Array.from({ length: deltas }, (_, index) => words[index % words.length] ?? "");
  const make = samples[wire];
  if (make === undefined) throw new Error(`no sample of ${wire}`);
  return make(texts).map((piece) => (typeof piece === "string" ? Buffer.from(piece) : piece));
}

const samples: Readonly<Record<string, (texts: readonly string[]) => (string | Uint8Array)[]>> = {
  openai,
  responses,
  anthropic,
  gemini,
  bedrock,
  cohere,
  mistral: openai,
  ollama,
};

function openai(texts: readonly string[]): string[] {
  const chunk = (choices: unknown, rest: object = {}): string =>
    `data: ${JSON.stringify({ id: "chatcmpl-B1", object: "chat.completion.chunk", created: 1_760_000_000, model: "gpt-4.1-mini-2025-04-14", service_tier: "default", system_fingerprint: "fp_1", choices, usage: null, obfuscation: "a1b2c3", ...rest })}\n\n`;
  return [
    chunk([
      { index: 0, delta: { role: "assistant", content: "", refusal: null }, logprobs: null, finish_reason: null },
    ]),
    ...texts.map((content) => chunk([{ index: 0, delta: { content }, logprobs: null, finish_reason: null }])),
    chunk([{ index: 0, delta: {}, logprobs: null, finish_reason: "stop" }]),
    chunk([], { usage: { prompt_tokens: 14, completion_tokens: texts.length, total_tokens: 14 + texts.length } }),
    "data: [DONE]\n\n",
  ];
}

function anthropic(texts: readonly string[]): string[] {
  const event = (type: string, rest: object): string =>
    `event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`;
  return [
    event("message_start", {
      message: {
        id: "msg_1",
        type: "message",
        role: "assistant",
        model: "claude-haiku-4-5",
        content: [],
        usage: { input_tokens: 14, output_tokens: 1 },
      },
    }),
    event("content_block_start", { index: 0, content_block: { type: "text", text: "" } }),
    ...texts.map((text) => event("content_block_delta", { index: 0, delta: { type: "text_delta", text } })),
    event("content_block_stop", { index: 0 }),
    event("message_delta", {
      delta: { stop_reason: "end_turn", stop_sequence: null },
      usage: { output_tokens: texts.length },
    }),
    event("message_stop", {}),
  ];
}

function gemini(texts: readonly string[]): string[] {
  return texts.map((text, index) => {
    const isLast = index === texts.length - 1;
    const candidate = {
      content: { parts: [{ text }], role: "model" },
      index: 0,
      ...(isLast ? { finishReason: "STOP" } : {}),
    };
    const usageMetadata = { promptTokenCount: 14, candidatesTokenCount: index + 1, totalTokenCount: 15 + index };
    return `data: ${JSON.stringify({ candidates: [candidate], usageMetadata, modelVersion: "gemini-2.5-flash", responseId: "r1" })}\r\n\r\n`;
  });
}

function responses(texts: readonly string[]): string[] {
  let sequence = 0;
  const event = (type: string, rest: object): string => {
    sequence += 1;
    return `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: sequence, ...rest })}\n\n`;
  };
  const item = { id: "msg_1", type: "message", status: "in_progress", role: "assistant", content: [] };
  const at = { item_id: "msg_1", output_index: 0, content_index: 0 };
  const text = texts.join("");
  const content = [{ type: "output_text", text, annotations: [], logprobs: [] }];
  const usage = { input_tokens: 14, output_tokens: texts.length, total_tokens: 14 + texts.length };
  const done = { ...item, status: "completed", content };
  return [
    event("response.created", { response: { id: "resp_1", model: "gpt-4.1-mini", status: "in_progress", output: [] } }),
    event("response.output_item.added", { output_index: 0, item }),
    event("response.content_part.added", { ...at, part: { type: "output_text", text: "", annotations: [] } }),
    ...texts.map((delta) => event("response.output_text.delta", { ...at, delta, logprobs: [], obfuscation: "a1b2c3" })),
    event("response.output_text.done", { ...at, text }),
    event("response.output_item.done", { output_index: 0, item: done }),
    event("response.completed", {
      response: { id: "resp_1", model: "gpt-4.1-mini", status: "completed", output: [done], usage },
    }),
  ];
}

function bedrock(texts: readonly string[]): Uint8Array[] {
  const event = (name: string, payload: object): Uint8Array =>
    toEventFrame({ ":event-type": name, ":content-type": "application/json", ":message-type": "event" }, payload);
  return [
    event("messageStart", { role: "assistant", p: "abcd" }),
    ...texts.map((text) => event("contentBlockDelta", { contentBlockIndex: 0, delta: { text }, p: "abcdefgh" })),
    event("contentBlockStop", { contentBlockIndex: 0, p: "ab" }),
    event("messageStop", { stopReason: "end_turn", p: "ab" }),
    event("metadata", {
      usage: { inputTokens: 14, outputTokens: texts.length, totalTokens: 14 + texts.length },
      metrics: { latencyMs: 5 },
    }),
  ];
}

function cohere(texts: readonly string[]): string[] {
  const event = (type: string, rest: object): string =>
    `event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`;
  const usage = {
    billed_units: { input_tokens: 14, output_tokens: texts.length },
    tokens: { input_tokens: 80, output_tokens: texts.length },
  };
  return [
    event("message-start", {
      id: "m1",
      delta: { message: { role: "assistant", content: [], tool_plan: "", tool_calls: [], citations: [] } },
    }),
    event("content-start", { index: 0, delta: { message: { content: { type: "text", text: "" } } } }),
    ...texts.map((text) => event("content-delta", { index: 0, delta: { message: { content: { text } } } })),
    event("content-end", { index: 0 }),
    event("message-end", { delta: { finish_reason: "COMPLETE", usage } }),
  ];
}

function ollama(texts: readonly string[]): string[] {
  const head = { model: "llama3.1", created_at: "2026-01-01T00:00:00.000000Z" };
  return [
    ...texts.map((content) => `${JSON.stringify({ ...head, message: { role: "assistant", content }, done: false })}\n`),
    `${JSON.stringify({ ...head, message: { role: "assistant", content: "" }, done: true, done_reason: "stop", total_duration: 5, prompt_eval_count: 14, eval_count: texts.length })}\n`,
  ];
}
