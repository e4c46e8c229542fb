// The two forms of Converse: the object, and the events of ConverseStream (Amazon Bedrock API reference). A text block has
// no start event, and the counts come after the stop.
import type { Finish, Script, ScriptedCall, ScriptUsage } from "../script.ts";
import type { Frame } from "../wire.ts";
import { toEventFrame } from "./event-frame.ts";

const stopReasons = {
  stop: "end_turn",
  "stop-sequence": "stop_sequence",
  length: "max_tokens",
  "tool-calls": "tool_use",
  refusal: "end_turn",
  "content-filter": "content_filtered",
} as const satisfies Record<Finish, string>;

export function toConverse(script: Script): string {
  const text = textOf(script).join("");
  const content = [
    ...(script.reasoning.length > 0 ? [{ reasoningContent: { reasoningText: reasoningText(script) } }] : []),
    ...(text === "" ? [] : [{ text }]),
    ...script.toolCalls.map(toToolUse),
  ];
  return JSON.stringify({
    output: { message: { role: "assistant", content } },
    stopReason: stopReasons[script.finish],
    ...usageOf(script),
    metrics: { latencyMs: 1 },
  });
}

export function toConverseFrames(script: Script): readonly Frame[] {
  const blocks = [
    ...(script.reasoning.length > 0 ? [(index: number) => reasoningFrames(script, index)] : []),
    ...(textOf(script).length > 0 ? [(index: number) => textFrames(script, index)] : []),
    ...script.toolCalls.map((call) => (index: number) => toolFrames(call, index)),
  ];
  return [
    event("messageStart", { role: "assistant" }),
    ...blocks.flatMap((toFrames, index) => toFrames(index)),
    event("messageStop", { stopReason: stopReasons[script.finish] }),
    event("metadata", { ...usageOf(script), metrics: { latencyMs: 1 } }),
  ];
}

export function toThrottlingFrame(): Frame {
  const headers = {
    ":exception-type": "throttlingException",
    ":content-type": "application/json",
    ":message-type": "exception",
  };
  return {
    bytes: toEventFrame(headers, { message: "Too many requests, please wait before trying again." }),
    piece: false,
  };
}

/** There is no field for a refusal: it is text. */
function textOf({ text, refusal }: Script): readonly string[] {
  return [...text, ...refusal];
}

function reasoningText(script: Script): object {
  return { text: script.reasoning.join(""), signature: signatureOf(script) };
}

function signatureOf({ id }: Script): string {
  return Buffer.from(`signed by the simulator: ${id}`).toString("base64");
}

function toToolUse({ id, name, argumentPieces }: ScriptedCall): object {
  const input: unknown = JSON.parse(argumentPieces.join(""));
  return { toolUse: { toolUseId: `tooluse_${id}`, name, input } };
}

function usageOf({ usage, controls }: Script): object {
  return controls.noUsage ? {} : { usage: toUsage(usage) };
}

/** `inputTokens` leaves out what the cache had a part in; the fields of the cache are absent where it had none. */
function toUsage({ inputTokens, cachedTokens, cacheWriteTokens, outputTokens }: ScriptUsage): object {
  const cached = cachedTokens + cacheWriteTokens > 0;
  return {
    inputTokens: inputTokens - cachedTokens - cacheWriteTokens,
    outputTokens,
    totalTokens: inputTokens + outputTokens,
    ...(cached ? { cacheReadInputTokens: cachedTokens, cacheWriteInputTokens: cacheWriteTokens } : {}),
  };
}

function reasoningFrames(script: Script, index: number): readonly Frame[] {
  return [
    ...script.reasoning.map((text) => delta(index, { reasoningContent: { text } }, true)),
    delta(index, { reasoningContent: { signature: signatureOf(script) } }, false),
    event("contentBlockStop", { contentBlockIndex: index }),
  ];
}

function textFrames(script: Script, index: number): readonly Frame[] {
  return [
    ...textOf(script).map((text) => delta(index, { text }, true)),
    event("contentBlockStop", { contentBlockIndex: index }),
  ];
}

function toolFrames({ id, name, argumentPieces }: ScriptedCall, index: number): readonly Frame[] {
  const start = { toolUse: { toolUseId: `tooluse_${id}`, name } };
  return [
    event("contentBlockStart", { contentBlockIndex: index, start }),
    ...argumentPieces.map((input) => delta(index, { toolUse: { input } }, true)),
    event("contentBlockStop", { contentBlockIndex: index }),
  ];
}

function delta(index: number, change: object, piece: boolean): Frame {
  return { ...event("contentBlockDelta", { contentBlockIndex: index, delta: change }), piece };
}

/** `p` is padding that hides the length of the text; here always the same. */
function event(type: string, payload: object): Frame {
  const headers = { ":event-type": type, ":content-type": "application/json", ":message-type": "event" };
  return { bytes: toEventFrame(headers, { ...payload, p: "abcdefgh" }), piece: false };
}
