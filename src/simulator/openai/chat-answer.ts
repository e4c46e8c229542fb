// The two forms of a chat completion: the object, and the chunks of a stream (OpenAI API reference, "The chat completion
// object", "The chat completion chunk object"). Reasoning stands in `reasoning_content`, where vLLM, DeepSeek and others
// that speak this API put it; OpenAI itself shows none.
import type { Finish, Script, ScriptedCall } from "../script.ts";
import { sseEvent, ssePiece } from "../sse-frame.ts";
import type { Frame } from "../wire.ts";

export type ChatOptions = {
  /** Choices to give. */
  readonly choices: number;
  /** Alternatives listed for each token; `undefined`: no log probabilities. */
  readonly topLogprobs: number | undefined;
  /** Whether a stream ends with a chunk of counts. */
  readonly includeUsage: boolean;
};

/** A fixed time, so that equal requests have equal answers. */
export const createdAtSeconds = 1_767_225_600;

const finishWords = {
  stop: "stop",
  "stop-sequence": "stop",
  length: "length",
  "tool-calls": "tool_calls",
  // A refusal is an ordinary end; the text stands in a field of its own.
  refusal: "stop",
  "content-filter": "content_filter",
} as const satisfies Record<Finish, string>;

export function toChatCompletion(script: Script, options: ChatOptions): string {
  const message = {
    role: "assistant",
    content: script.text.length === 0 ? null : script.text.join(""),
    ...(script.reasoning.length > 0 ? { reasoning_content: script.reasoning.join("") } : {}),
    refusal: script.refusal.length === 0 ? null : script.refusal.join(""),
    ...(script.toolCalls.length > 0 ? { tool_calls: script.toolCalls.map(toToolCall) } : {}),
  };
  const logprobs = toLogprobs(script.text, options.topLogprobs);
  const choices = range(options.choices).map((index) => ({
    index,
    message,
    logprobs,
    finish_reason: finishWords[script.finish],
  }));
  return JSON.stringify({ ...head(script, "chat.completion"), choices, ...usageOf(script, options) });
}

export function toChatFrames(script: Script, options: ChatOptions): readonly Frame[] {
  const indices = range(options.choices);
  const rest = options.includeUsage ? { usage: null } : {};
  const chunk = (index: number, delta: object, finish: string | null, logprobs: unknown) => ({
    ...head(script, "chat.completion.chunk"),
    choices: [{ index, delta, logprobs, finish_reason: finish }],
    ...rest,
  });
  const toPieces = (deltas: readonly object[]): readonly Frame[] =>
    deltas.flatMap((delta) => indices.map((index) => ssePiece(chunk(index, delta, null, null))));
  return [
    ...indices.map((index) => sseEvent(chunk(index, { role: "assistant", content: "", refusal: null }, null, null))),
    ...toPieces(script.reasoning.map((piece) => ({ reasoning_content: piece }))),
    ...script.text.flatMap((piece) =>
      indices.map((index) =>
        ssePiece(chunk(index, { content: piece }, null, toLogprobs([piece], options.topLogprobs))),
      ),
    ),
    ...toPieces(script.refusal.map((piece) => ({ refusal: piece }))),
    ...toPieces(script.toolCalls.flatMap(toCallDeltas)),
    ...indices.map((index) => sseEvent(chunk(index, {}, finishWords[script.finish], null))),
    ...toUsageFrames(script, options),
    sseEvent("[DONE]"),
  ];
}

function head(script: Script, object: string): object {
  return {
    id: `chatcmpl-${script.id}`,
    object,
    created: createdAtSeconds,
    model: script.model,
    service_tier: "default",
    system_fingerprint: "fp_simulator",
  };
}

function toToolCall({ id, name, argumentPieces }: ScriptedCall): object {
  return { id: `call_${id}`, type: "function", function: { name, arguments: argumentPieces.join("") } };
}

/** The call's name, then its arguments piece by piece; `index` tells parallel calls apart. */
function toCallDeltas({ id, name, argumentPieces }: ScriptedCall, index: number): readonly object[] {
  const first = { index, id: `call_${id}`, type: "function", function: { name, arguments: "" } };
  return [
    { tool_calls: [first] },
    ...argumentPieces.map((piece) => ({ tool_calls: [{ index, function: { arguments: piece } }] })),
  ];
}

function toUsageFrames(script: Script, options: ChatOptions): readonly Frame[] {
  if (!options.includeUsage || script.controls.noUsage) return [];
  return [sseEvent({ ...head(script, "chat.completion.chunk"), choices: [], ...usageOf(script, options) })];
}

function usageOf({ usage, controls }: Script, { choices }: ChatOptions): object {
  if (controls.noUsage) return {};
  const completionTokens = usage.outputTokens * choices;
  return {
    usage: {
      prompt_tokens: usage.inputTokens,
      completion_tokens: completionTokens,
      total_tokens: usage.inputTokens + completionTokens,
      prompt_tokens_details: { cached_tokens: usage.cachedTokens, audio_tokens: 0 },
      completion_tokens_details: {
        reasoning_tokens: usage.reasoningTokens * choices,
        audio_tokens: 0,
        accepted_prediction_tokens: 0,
        rejected_prediction_tokens: 0,
      },
    },
  };
}

function toLogprobs(pieces: readonly string[], top: number | undefined): object | null {
  if (top === undefined) return null;
  return { content: pieces.map((piece) => toTokenLogprob(piece, top)), refusal: null };
}

function toTokenLogprob(token: string, top: number): object {
  const alternatives = range(top).map((rank) => toLogprob(rank === 0 ? token : `${token}~${rank}`, rank));
  return { ...toLogprob(token, 0), top_logprobs: alternatives };
}

function toLogprob(token: string, rank: number): object {
  return { token, logprob: -0.125 - rank, bytes: [...Buffer.from(token)] };
}

function range(length: number): readonly number[] {
  return Array.from({ length }, (_value, index) => index);
}
