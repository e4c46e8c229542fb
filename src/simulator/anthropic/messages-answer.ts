// The two forms of a message: the object, and the events of a stream (Anthropic API reference, "Streaming Messages").
import type { Finish, Script, ScriptedCall } from "../script.ts";
import { sseEvent, ssePiece } from "../sse-frame.ts";
import type { Frame } from "../wire.ts";

const stopReasons = {
  stop: "end_turn",
  "stop-sequence": "stop_sequence",
  length: "max_tokens",
  "tool-calls": "tool_use",
  refusal: "refusal",
  // Anthropic has one word for both.
  "content-filter": "refusal",
} as const satisfies Record<Finish, string>;

export function toMessage(script: Script): string {
  return JSON.stringify({
    ...messageHead(script),
    content: [...thinkingBlocks(script), ...textBlocks(script), ...script.toolCalls.map(toToolUse)],
    ...stopOf(script),
    ...usageOf(script, script.usage.outputTokens),
  });
}

export function toMessageFrames(script: Script): readonly Frame[] {
  const start = {
    type: "message_start",
    message: { ...messageHead(script), content: [], stop_reason: null, stop_sequence: null, ...usageOf(script, 1) },
  };
  const blocks = [
    ...(script.reasoning.length > 0 ? [(index: number) => thinkingFrames(script, index)] : []),
    ...(textOf(script).length > 0 ? [(index: number) => textFrames(script, index)] : []),
    ...script.toolCalls.map((call) => (index: number) => toolFrames(call, index)),
  ];
  return [
    event(start),
    event({ type: "ping" }),
    ...blocks.flatMap((toFrames, index) => toFrames(index)),
    event({ type: "message_delta", delta: stopOf(script), ...usageOf(script, script.usage.outputTokens) }),
    event({ type: "message_stop" }),
  ];
}

function messageHead(script: Script): object {
  return { id: `msg_${script.id}`, type: "message", role: "assistant", model: script.model };
}

/** A refusal has its words in the text, as far as it has any. */
function textOf(script: Script): readonly string[] {
  return [...script.text, ...script.refusal];
}

function textBlocks(script: Script): readonly object[] {
  const text = textOf(script).join("");
  return text === "" ? [] : [{ type: "text", text }];
}

function thinkingBlocks(script: Script): readonly object[] {
  if (script.reasoning.length === 0) return [];
  return [{ type: "thinking", thinking: script.reasoning.join(""), signature: signatureOf(script) }];
}

/** Opaque to the caller, who has to send it back unchanged. */
function signatureOf(script: Script): string {
  return Buffer.from(`signed by the simulator: ${script.id}`).toString("base64");
}

function toToolUse({ id, name, argumentPieces }: ScriptedCall): object {
  const input: unknown = JSON.parse(argumentPieces.join(""));
  return { type: "tool_use", id: `toolu_${id}`, name, input };
}

function stopOf(script: Script): object {
  return { stop_reason: stopReasons[script.finish], stop_sequence: script.stopSequence ?? null };
}

/** `input_tokens` counts what no cache had a part in. */
function usageOf({ usage, controls }: Script, outputTokens: number): object {
  if (controls.noUsage) return {};
  return {
    usage: {
      input_tokens: usage.inputTokens - usage.cachedTokens - usage.cacheWriteTokens,
      cache_creation_input_tokens: usage.cacheWriteTokens,
      cache_read_input_tokens: usage.cachedTokens,
      cache_creation: { ephemeral_5m_input_tokens: usage.cacheWriteTokens, ephemeral_1h_input_tokens: 0 },
      output_tokens: outputTokens,
      service_tier: "standard",
    },
  };
}

function thinkingFrames(script: Script, index: number): readonly Frame[] {
  return [
    event({ type: "content_block_start", index, content_block: { type: "thinking", thinking: "", signature: "" } }),
    ...script.reasoning.map((thinking) => delta(index, { type: "thinking_delta", thinking })),
    event({ type: "content_block_delta", index, delta: { type: "signature_delta", signature: signatureOf(script) } }),
    event({ type: "content_block_stop", index }),
  ];
}

function textFrames(script: Script, index: number): readonly Frame[] {
  return [
    event({ type: "content_block_start", index, content_block: { type: "text", text: "" } }),
    ...textOf(script).map((text) => delta(index, { type: "text_delta", text })),
    event({ type: "content_block_stop", index }),
  ];
}

function toolFrames({ id, name, argumentPieces }: ScriptedCall, index: number): readonly Frame[] {
  // A call without parameters never gets a piece that is not empty.
  const pieces = argumentPieces.join("") === "{}" ? [] : argumentPieces;
  const block = { type: "tool_use", id: `toolu_${id}`, name, input: {} };
  return [
    event({ type: "content_block_start", index, content_block: block }),
    event({ type: "content_block_delta", index, delta: { type: "input_json_delta", partial_json: "" } }),
    ...pieces.map((piece) => delta(index, { type: "input_json_delta", partial_json: piece })),
    event({ type: "content_block_stop", index }),
  ];
}

function event(data: { readonly type: string; readonly [field: string]: unknown }): Frame {
  return sseEvent(data, data.type);
}

function delta(index: number, change: object): Frame {
  return ssePiece({ type: "content_block_delta", index, delta: change }, "content_block_delta");
}
