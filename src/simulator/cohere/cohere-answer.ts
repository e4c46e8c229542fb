// The two forms of Cohere's chat (API reference, "Chat", v2): the object, and the events of a stream.
import type { Finish, Script, ScriptedCall } from "../script.ts";
import { sseEvent, ssePiece } from "../sse-frame.ts";
import type { Frame } from "../wire.ts";

const finishReasons = {
  stop: "COMPLETE",
  "stop-sequence": "STOP_SEQUENCE",
  length: "MAX_TOKENS",
  "tool-calls": "TOOL_CALL",
  refusal: "COMPLETE",
  "content-filter": "ERROR_TOXIC",
} as const satisfies Record<Finish, string>;

/** The plan stands before the calls and is no content. */
const toolPlan = "I will use the tools.";

export function toCohereChat(script: Script): string {
  const text = textOf(script).join("");
  const content = [
    ...(script.reasoning.length > 0 ? [{ type: "thinking", thinking: script.reasoning.join("") }] : []),
    ...(text === "" ? [] : [{ type: "text", text }]),
  ];
  const calls = script.toolCalls.map((call) => toToolCall(call, call.argumentPieces.join("")));
  const message = {
    role: "assistant",
    ...(calls.length > 0 ? { tool_plan: toolPlan, tool_calls: calls } : {}),
    ...(content.length > 0 ? { content } : {}),
  };
  return JSON.stringify({
    id: script.id,
    message,
    finish_reason: finishReasons[script.finish],
    usage: usageOf(script),
  });
}

export function toCohereFrames(script: Script): readonly Frame[] {
  const blocks = [
    ...(script.reasoning.length > 0 ? [contentFrames("thinking", script.reasoning)] : []),
    ...(textOf(script).length > 0 ? [contentFrames("text", textOf(script))] : []),
  ];
  const message = { role: "assistant", content: [], tool_plan: "", tool_calls: [], citations: [] };
  return [
    sseEvent({ id: script.id, type: "message-start", delta: { message } }, "message-start"),
    ...blocks.flatMap((toFrames, index) => toFrames(index)),
    ...(script.toolCalls.length > 0 ? [planFrame()] : []),
    ...script.toolCalls.flatMap(callFrames),
    endFrame({ finish_reason: finishReasons[script.finish], usage: usageOf(script) }),
    sseEvent("[DONE]"),
  ];
}

/** A failed stream ends like any other, with an error in its end. */
export function toCohereErrorFrame(): Frame {
  return endFrame({ finish_reason: "ERROR", usage: {}, error: "internal server error", error_type: "INTERNAL" });
}

function textOf({ text, refusal }: Script): readonly string[] {
  return [...text, ...refusal];
}

function toToolCall({ id, name }: ScriptedCall, json: string): object {
  return { id: `${name}_${id}`, type: "function", function: { name, arguments: json } };
}

function usageOf({ usage, controls }: Script): object {
  if (controls.noUsage) return {};
  const tokens = { input_tokens: usage.inputTokens, output_tokens: usage.outputTokens };
  return { billed_units: tokens, tokens, cached_tokens: usage.cachedTokens };
}

function contentFrames(type: "text" | "thinking", pieces: readonly string[]): (index: number) => readonly Frame[] {
  return (index) => [
    sseEvent({ type: "content-start", index, delta: { message: { content: { type, [type]: "" } } } }, "content-start"),
    ...pieces.map((piece) =>
      ssePiece({ type: "content-delta", index, delta: { message: { content: { [type]: piece } } } }, "content-delta"),
    ),
    sseEvent({ type: "content-end", index }, "content-end"),
  ];
}

function planFrame(): Frame {
  return sseEvent({ type: "tool-plan-delta", delta: { message: { tool_plan: toolPlan } } }, "tool-plan-delta");
}

function callFrames(call: ScriptedCall, index: number): readonly Frame[] {
  const toDelta = (piece: string): object => ({ message: { tool_calls: { function: { arguments: piece } } } });
  return [
    sseEvent(
      { type: "tool-call-start", index, delta: { message: { tool_calls: toToolCall(call, "") } } },
      "tool-call-start",
    ),
    ...call.argumentPieces.map((piece) =>
      ssePiece({ type: "tool-call-delta", index, delta: toDelta(piece) }, "tool-call-delta"),
    ),
    sseEvent({ type: "tool-call-end", index }, "tool-call-end"),
  ];
}

function endFrame(delta: object): Frame {
  return sseEvent({ type: "message-end", delta }, "message-end");
}
