import type { Observed, ObservedCall } from "../observed.ts";
import { at, listAt, numberAt, parse, type Raw, sseJson, textAt } from "../raw-json.ts";

/** What an answer of generateContent holds: one object, or an array of chunks. */
export function observeWhole(body: Uint8Array): Observed {
  const answer = parse(new TextDecoder().decode(body));
  return observe(Array.isArray(answer) ? answer : [answer]);
}

/** What a stream holds: SSE, or an array of chunks. */
export function observeStream(body: Uint8Array): Observed {
  const isArray = new TextDecoder().decode(body).trimStart().startsWith("[");
  return isArray ? observeWhole(body) : observe(sseJson(body));
}

/** A reason to finish, in a chunk that is complete: the API has no other end. */
export function hasEnd(body: Uint8Array): boolean {
  const text = new TextDecoder().decode(body);
  if (text.trimStart().startsWith("["))
    return isWhole(text.replace(/[\s,\]]*$/, "]")) && text.includes('"finishReason"');
  return sseLines(text).some((line) => line.includes('"finishReason"') && isWhole(line));
}

function sseLines(text: string): readonly string[] {
  return text.split(/\r\n|\n|\r/).flatMap((line) => (line.startsWith("data:") ? [line.slice(5)] : []));
}

function isWhole(text: string): boolean {
  try {
    parse(text);
    return true;
  } catch {
    return false; // Cut within the chunk.
  }
}

function observe(chunks: readonly Raw[]): Observed {
  const candidates = chunks.map((chunk) => at(chunk, "candidates", 0));
  const parts = candidates.flatMap((candidate) => listAt(candidate, "content", "parts"));
  const isThought = (part: Raw) => at(part, "thought") === true;
  const usage = Object.assign({}, ...chunks.map((chunk) => at(chunk, "usageMetadata")));
  return {
    text: parts
      .filter((part) => !isThought(part))
      .map((part) => textAt(part, "text"))
      .join(""),
    refusal: "",
    reasoning: parts
      .filter(isThought)
      .map((part) => textAt(part, "text"))
      .join(""),
    calls: parts
      .map((part) => at(part, "functionCall"))
      .filter((call) => call !== undefined)
      .map(toCall),
    finish: candidates.map(finishOf).findLast((word) => word !== "") ?? "",
    ...usageOf(usage),
  };
}

function toCall(call: Raw): ObservedCall {
  return { name: textAt(call, "name"), arguments: JSON.stringify(at(call, "args") ?? {}) };
}

/** One recording has its enums as numbers. */
function finishOf(candidate: Raw): string {
  return numberAt(candidate, "finishReason") === 1 ? "STOP" : textAt(candidate, "finishReason");
}

function usageOf(usage: Raw) {
  const prompt = numberAt(usage, "promptTokenCount");
  const tool = numberAt(usage, "toolUsePromptTokenCount") ?? 0;
  const total = numberAt(usage, "totalTokenCount");
  const shown = numberAt(usage, "candidatesTokenCount");
  const thoughts = numberAt(usage, "thoughtsTokenCount");
  const said = shown === undefined && thoughts === undefined ? undefined : (shown ?? 0) + (thoughts ?? 0);
  const left = total === undefined || prompt === undefined ? undefined : total - prompt - tool;
  return {
    inputTokens: prompt === undefined ? undefined : prompt + tool,
    outputTokens: said ?? left,
    cachedTokens: numberAt(usage, "cachedContentTokenCount"),
    reasoningTokens: thoughts,
  };
}
