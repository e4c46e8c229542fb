// Mistral's chat completions (API reference, "Chat Completion"): near to OpenAI's, but reasoning is a part of the content,
// a call comes whole in one chunk together with the finish, and the counts stand on that chunk.
import { createdAtSeconds } from "../openai/chat-answer.ts";
import type { Finish, Script, ScriptedCall } from "../script.ts";
import { sseEvent, ssePiece } from "../sse-frame.ts";
import type { Frame } from "../wire.ts";

const finishReasons = {
  stop: "stop",
  "stop-sequence": "stop",
  length: "length",
  "tool-calls": "tool_calls",
  refusal: "stop",
  // Mistral has no filter that stops an answer.
  "content-filter": "error",
} as const satisfies Record<Finish, string>;

export function toMistralCompletion(script: Script): string {
  const text = textOf(script).join("");
  const content =
    script.reasoning.length === 0 ? text : [toThinking(script.reasoning.join(""), true), { type: "text", text }];
  const calls = script.toolCalls.length > 0 ? script.toolCalls.map(toToolCall) : null;
  const message = { role: "assistant", content, tool_calls: calls };
  const choices = [{ index: 0, message, finish_reason: finishReasons[script.finish] }];
  return JSON.stringify({ ...head(script, "chat.completion"), choices, ...usageOf(script) });
}

export function toMistralFrames(script: Script): readonly Frame[] {
  const chunk = (delta: object, finish: string | null): object => ({
    ...head(script, "chat.completion.chunk"),
    choices: [{ index: 0, delta, finish_reason: finish }],
  });
  const calls = script.toolCalls.length > 0 ? { tool_calls: script.toolCalls.map(toToolCall) } : {};
  const last = { ...chunk({ content: "", ...calls }, finishReasons[script.finish]), ...usageOf(script) };
  return [
    sseEvent(chunk({ role: "assistant", content: "" }, null)),
    ...script.reasoning.map((piece) => ssePiece(chunk({ content: [toThinking(piece, false)] }, null))),
    ...textOf(script).map((piece) => ssePiece(chunk({ content: piece }, null))),
    script.toolCalls.length > 0 ? ssePiece(last) : sseEvent(last),
    sseEvent("[DONE]"),
  ];
}

function textOf({ text, refusal }: Script): readonly string[] {
  return [...text, ...refusal];
}

function head(script: Script, object: string): object {
  return { id: script.id, object, created: createdAtSeconds, model: script.model };
}

function toThinking(text: string, closed: boolean): object {
  return { type: "thinking", thinking: [{ type: "text", text }], ...(closed ? { closed } : {}) };
}

function toToolCall({ id, name, argumentPieces }: ScriptedCall, index: number): object {
  // Ids of nine letters and digits, which is what the API takes back.
  return { id: id.slice(0, 9), type: "function", function: { name, arguments: argumentPieces.join("") }, index };
}

function usageOf({ usage, controls }: Script): object {
  if (controls.noUsage) return {};
  return {
    usage: {
      prompt_tokens: usage.inputTokens,
      completion_tokens: usage.outputTokens,
      total_tokens: usage.inputTokens + usage.outputTokens,
      prompt_tokens_details: { cached_tokens: usage.cachedTokens },
    },
  };
}
