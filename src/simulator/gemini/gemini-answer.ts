// `GenerateContentResponse`, whole or in chunks: a chunk has the same form, with a piece of the parts (Gemini API
// reference). Function calls come whole, thoughts as text parts marked so, and STOP stands for calls too.
import type { Finish, Script, ScriptedCall } from "../script.ts";
import type { Frame } from "../wire.ts";

const finishReasons = {
  stop: "STOP",
  "stop-sequence": "STOP",
  length: "MAX_TOKENS",
  "tool-calls": "STOP",
  refusal: "STOP",
  "content-filter": "SAFETY",
} as const satisfies Record<Finish, string>;

export function toGenerateContent(script: Script): string {
  const text = textOf(script).join("");
  const parts = [
    ...(script.reasoning.length > 0 ? [{ text: script.reasoning.join(""), thought: true }] : []),
    ...(text === "" ? [] : [{ text }, ...signedEnd(script)]),
    ...script.toolCalls.map((call, index) => toCallPart(script, call, index)),
  ];
  return JSON.stringify(toResponse(script, parts, true));
}

export function toGenerateContentFrames(script: Script): readonly Frame[] {
  const texts = textOf(script);
  const pieces: object[] = [
    ...script.reasoning.map((text) => ({ text, thought: true })),
    ...texts.map((text) => ({ text })),
    ...(texts.length > 0 ? signedEnd(script) : []),
    ...script.toolCalls.map((call, index) => toCallPart(script, call, index)),
  ];
  if (pieces.length === 0) return [toFrame(toResponse(script, [], true), false)];
  return pieces.map((part, index) => toFrame(toResponse(script, [part], index === pieces.length - 1), true));
}

/** Google ends its lines with CR LF. */
function toFrame(data: object, piece: boolean): Frame {
  return { bytes: `data: ${JSON.stringify(data)}\r\n\r\n`, piece };
}

/** There is no field for a refusal: it is text. */
function textOf({ text, refusal }: Script): readonly string[] {
  return [...text, ...refusal];
}

/** With thoughts and no call, the signature of the text stands on an empty text at its end. */
function signedEnd(script: Script): readonly object[] {
  const signed = script.reasoning.length > 0 && script.toolCalls.length === 0;
  return signed ? [{ text: "", ...signatureOf(script) }] : [];
}

/** What has to be sent back, where there were thoughts. */
function signatureOf(script: Script): object {
  if (script.reasoning.length === 0) return {};
  return { thoughtSignature: Buffer.from(`signed by the simulator: ${script.id}`).toString("base64") };
}

function toCallPart(script: Script, { name, argumentPieces }: ScriptedCall, index: number): object {
  const args: unknown = JSON.parse(argumentPieces.join(""));
  return { functionCall: { name, args }, ...(index === 0 ? signatureOf(script) : {}) };
}

function toResponse(script: Script, parts: readonly object[], last: boolean): object {
  const candidate = {
    content: { parts, role: "model" },
    ...(last ? { finishReason: finishReasons[script.finish] } : {}),
    index: 0,
  };
  return { candidates: [candidate], ...usageOf(script, last), modelVersion: script.model, responseId: script.id };
}

/** Thoughts are counted apart; before the last chunk only the prompt is known. */
function usageOf({ usage, controls }: Script, last: boolean): object {
  if (controls.noUsage) return {};
  const cached = usage.cachedTokens > 0 ? { cachedContentTokenCount: usage.cachedTokens } : {};
  const input = { promptTokenCount: usage.inputTokens, ...cached };
  if (!last) return { usageMetadata: { ...input, totalTokenCount: usage.inputTokens } };
  const thoughts = usage.reasoningTokens > 0 ? { thoughtsTokenCount: usage.reasoningTokens } : {};
  return {
    usageMetadata: {
      ...input,
      candidatesTokenCount: usage.outputTokens - usage.reasoningTokens,
      ...thoughts,
      totalTokenCount: usage.inputTokens + usage.outputTokens,
    },
  };
}
