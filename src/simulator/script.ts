// What the simulator answers: the same for the same request and seed, in pieces, before any provider's format.
//
// Tokens, so that a test can compute a bill: a word of text or reasoning is one token; a tool call is one for its name and
// one for every 4 characters of its arguments; JSON text is one for every 4 characters. Input: see `countInput`.
import { type Controls, parseControls } from "./controls.ts";
import { exampleOf } from "./example-of.ts";
import type { OfferedTool, Question } from "./question.ts";

export type Script = {
  readonly model: string;
  /** 24 letters and digits, unlike those of other requests. */
  readonly id: string;
  /** Each piece is one token. */
  readonly reasoning: readonly string[];
  readonly text: readonly string[];
  readonly refusal: readonly string[];
  readonly toolCalls: readonly ScriptedCall[];
  readonly finish: Finish;
  /** The stop sequence that was met. */
  readonly stopSequence: string | undefined;
  readonly usage: ScriptUsage;
  readonly controls: Controls;
};

export type ScriptedCall = { readonly id: string; readonly name: string; readonly argumentPieces: readonly string[] };

export type Finish = "stop" | "stop-sequence" | "length" | "tool-calls" | "refusal" | "content-filter";

export type ScriptUsage = {
  /** All input tokens, cached ones included. */
  readonly inputTokens: number;
  readonly cachedTokens: number;
  readonly cacheWriteTokens: number;
  /** All output tokens, reasoning included. */
  readonly outputTokens: number;
  readonly reasoningTokens: number;
};

const reasoningTokensByDefault = 12;
const charactersPerToken = 4;

/** Controls of the model, then those that the last message writes as "[sim:fail-500]". Unknown words there are text. */
export function toScript(question: Question, modelControls: Controls, seed: number): Script {
  const controls = withDirective(question.lastText, modelControls);
  const hash = hashOf(`${seed}\n${question.model}\n${question.inputTokens}\n${question.lastText}`);
  const content = toContent(question, controls, hash);
  return cutToLength(
    {
      model: question.model,
      id: toId(hash),
      ...content,
      stopSequence: undefined,
      usage: toUsage(question, controls, content),
      controls,
    },
    question,
  );
}

type Content = Pick<Script, "reasoning" | "text" | "refusal" | "toolCalls" | "finish">;

const nothing: Content = { reasoning: [], text: [], refusal: [], toolCalls: [], finish: "stop" };

function toContent(question: Question, controls: Controls, hash: number): Content {
  if (controls.refusal) return { ...nothing, refusal: toWords("I cannot help with that.", 5, hash), finish: "refusal" };
  if (controls.contentFilter) return { ...nothing, text: ["Well, "], finish: "content-filter" };
  const wanted = controls.reasoningTokens ?? (question.reasoning ? reasoningTokensByDefault : 0);
  const reasoning = toWords("Let me think about this step by step.", wanted, hash + 1);
  const calls = toCalls(question, controls, hash);
  if (calls.length > 0) return { ...nothing, reasoning, toolCalls: calls, finish: "tool-calls" };
  if (question.jsonSchema !== undefined) {
    return { ...nothing, reasoning, text: toPieces(JSON.stringify(exampleOf(question.jsonSchema))) };
  }
  return { ...nothing, reasoning, text: toAnswer(question, controls, hash) };
}

function toAnswer(question: Question, controls: Controls, hash: number): readonly string[] {
  const words = question.lastText.match(/\S+/g) ?? [];
  const heard = words.slice(0, 12).join(" ");
  const told = question.bringsToolResults ? "The tools have answered" : `You said "${heard}"`;
  const sentence = `${told}, and this is a simulated answer.`;
  return toWords(sentence, controls.tokens ?? sentence.split(" ").length, hash);
}

function toCalls(question: Question, controls: Controls, hash: number): readonly ScriptedCall[] {
  const { toolChoice, tools } = question;
  const offered = toolChoice.kind === "named" ? tools.filter(({ name }) => name === toolChoice.name) : tools;
  if (offered.length === 0 || toolChoice.kind === "none") return [];
  const forced = toolChoice.kind === "required" || toolChoice.kind === "named";
  // After its results a model answers, as real ones mostly do; otherwise an agent would never end.
  if (!forced && (controls.toolCalls === 0 || question.bringsToolResults)) return [];
  const count = Math.max(1, question.parallelTools ? controls.toolCalls : 1);
  return Array.from({ length: count }, (_value, index) => toCall(offered[index % offered.length], index, hash)).filter(
    (call) => call !== undefined,
  );
}

function toCall(tool: OfferedTool | undefined, index: number, hash: number): ScriptedCall | undefined {
  if (tool === undefined) return undefined;
  const argumentsJson = JSON.stringify(exampleOf(tool.schema, index));
  return { id: toId(hash + index + 1), name: tool.name, argumentPieces: toPieces(argumentsJson) };
}

function toUsage(question: Question, controls: Controls, content: Content): ScriptUsage {
  const cachedTokens = Math.min(controls.cachedTokens, question.inputTokens);
  return {
    inputTokens: question.inputTokens,
    cachedTokens,
    cacheWriteTokens: Math.min(controls.cacheWriteTokens, question.inputTokens - cachedTokens),
    outputTokens: countOutput(content),
    reasoningTokens: content.reasoning.length,
  };
}

function countOutput({ reasoning, text, refusal, toolCalls }: Content): number {
  const calls = toolCalls.reduce((sum, call) => sum + 1 + call.argumentPieces.length, 0);
  return reasoning.length + text.length + refusal.length + calls;
}

/** A stop sequence ends the text before it; `maxTokens` ends everything. A tool call is whole or absent. */
function cutToLength(script: Script, question: Question): Script {
  const stopped = cutAtStop(script, question.stop);
  if (question.maxTokens === undefined || stopped.usage.outputTokens <= question.maxTokens) return stopped;
  const reasoning = stopped.reasoning.slice(0, question.maxTokens);
  let left = question.maxTokens - reasoning.length;
  const text = stopped.text.slice(0, left);
  const refusal = stopped.refusal.slice(0, left);
  const toolCalls: ScriptedCall[] = [];
  for (const call of stopped.toolCalls) {
    left -= 1 + call.argumentPieces.length;
    if (left < 0) break;
    toolCalls.push(call);
  }
  return withUsage({ ...stopped, reasoning, text, refusal, toolCalls, finish: "length", stopSequence: undefined });
}

function cutAtStop(script: Script, stop: readonly string[]): Script {
  const text = script.text.join("");
  let end = text.length;
  let stopSequence: string | undefined;
  for (const sequence of stop) {
    const position = sequence === "" ? -1 : text.indexOf(sequence);
    if (position < 0 || position >= end) continue;
    end = position;
    stopSequence = sequence;
  }
  if (stopSequence === undefined) return script;
  return withUsage({ ...script, text: takeCharacters(script.text, end), finish: "stop-sequence", stopSequence });
}

function withUsage(script: Script): Script {
  const reasoningTokens = script.reasoning.length;
  return { ...script, usage: { ...script.usage, reasoningTokens, outputTokens: countOutput(script) } };
}

function takeCharacters(pieces: readonly string[], length: number): readonly string[] {
  const taken: string[] = [];
  let left = length;
  for (const piece of pieces) {
    if (left <= 0) break;
    taken.push(piece.slice(0, left));
    left -= piece.length;
  }
  return taken;
}

const directive = /\[sim:([a-z0-9+-]{1,200})\]/;

function withDirective(lastText: string, base: Controls): Controls {
  const said = directive.exec(lastText)?.[1];
  return said === undefined ? base : (parseControls(said, base) ?? base);
}

const filler =
  "tokens flow through the gateway one after another while the clock ticks and every one of them is counted priced and written down".split(
    " ",
  );

/** `count` words: those of the sentence, then filler. Each has its space in front, as tokenisers have it. */
function toWords(sentence: string, count: number, hash: number): readonly string[] {
  const words = sentence.split(" ");
  return Array.from({ length: count }, (_value, index) => {
    const word = words[index] ?? filler[(hash + index) % filler.length] ?? "";
    return index === 0 ? word : ` ${word}`;
  });
}

function toPieces(text: string): readonly string[] {
  const characters = Array.from(text);
  const pieces: string[] = [];
  for (let start = 0; start < characters.length; start += charactersPerToken) {
    pieces.push(characters.slice(start, start + charactersPerToken).join(""));
  }
  return pieces;
}

const idDigits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

function toId(hash: number): string {
  let id = "";
  let state = hash;
  while (id.length < 24) {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) >>> 0;
    state = (state + 0x9e3779b9) >>> 0;
    id += idDigits[state % idDigits.length] ?? "";
  }
  return id;
}

/** FNV-1a over UTF-16 units: 32 bits, not negative. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}
