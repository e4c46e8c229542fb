import type { Observed, ObservedCall } from "../observed.ts";
import { at, listAt, numberAt, parse, type Raw, sseJson, textAt } from "../raw-json.ts";

/** What an unary chat completion holds. */
export function observeWhole(body: Uint8Array): Observed {
  const answer = parse(new TextDecoder().decode(body));
  const message = at(answer, "choices", 0, "message");
  return {
    text: contentOf([message]).text,
    refusal: textAt(message, "refusal"),
    reasoning: reasoningOf(message),
    calls: listAt(message, "tool_calls").map(toCall),
    finish: textAt(answer, "choices", 0, "finish_reason"),
    ...usageOf(at(answer, "usage")),
  };
}

/** What a stream of chunks holds. */
export function observeStream(body: Uint8Array): Observed {
  const chunks = sseJson(body);
  const choices = chunks
    .flatMap((chunk) => listAt(chunk, "choices"))
    .filter((choice) => (at(choice, "index") ?? 0) === 0);
  const deltas = choices.map((choice) => at(choice, "delta"));
  const usages = chunks.map((chunk) => at(chunk, "usage") ?? at(chunk, "x_groq", "usage")).filter(isObject);
  const content = contentOf(deltas);
  return {
    text: content.text,
    refusal: deltas.map((delta) => textAt(delta, "refusal")).join(""),
    reasoning: deltas.map(reasoningOf).join(""),
    calls: callsOf(deltas),
    finish: choices.map((choice) => textAt(choice, "finish_reason")).findLast((word) => word !== "") ?? "",
    ...usageOf(usages.at(-1)),
  };
}

/** A finish reason or `[DONE]`, in a line that is complete. */
export function hasEnd(body: Uint8Array): boolean {
  const whole = new TextDecoder().decode(body).replace(/[^\n]*$/, "");
  return /"finish_reason": ?"|\[DONE\]/.test(whole);
}

function isObject(value: Raw): boolean {
  return typeof value === "object" && value !== null;
}

/** Text, and what a list of content holds of thinking. */
function contentOf(holders: readonly Raw[]): { readonly text: string; readonly reasoning: string } {
  let text = "";
  let reasoning = "";
  for (const holder of holders) {
    text += textAt(holder, "content");
    for (const item of listAt(holder, "content")) {
      text += textAt(item, "text");
      reasoning += listAt(item, "thinking")
        .map((one) => textAt(one, "text"))
        .join("");
    }
  }
  return { text, reasoning };
}

function reasoningOf(holder: Raw): string {
  const said = textAt(holder, "reasoning_content") || textAt(holder, "reasoning");
  const details = listAt(holder, "reasoning_details").map((one) => textAt(one, "text") || textAt(one, "summary"));
  return said || details.join("") || contentOf([holder]).reasoning;
}

function toCall(raw: Raw): ObservedCall {
  return { name: textAt(raw, "function", "name"), arguments: textAt(raw, "function", "arguments") || "{}" };
}

/** By index where there is one; whole calls where there is none. */
function callsOf(deltas: readonly Raw[]): readonly ObservedCall[] {
  const calls = new Map<string, { name: string; arguments: string }>();
  let unnumbered = 0;
  for (const raw of deltas.flatMap((delta) => listAt(delta, "tool_calls"))) {
    const index = numberAt(raw, "index");
    const key = index === undefined ? `whole ${unnumbered++}` : `index ${index}`;
    const call = calls.get(key) ?? { name: "", arguments: "" };
    calls.set(key, call);
    call.name ||= textAt(raw, "function", "name");
    call.arguments += textAt(raw, "function", "arguments");
  }
  return [...calls.values()].map((call) => ({ name: call.name, arguments: call.arguments || "{}" }));
}

const placesOfCached: readonly (readonly string[])[] = [
  ["prompt_tokens_details", "cached_tokens"],
  ["prompt_cache_hit_tokens"],
  ["cached_tokens"],
  ["num_cached_tokens"],
  ["cache_read_input_tokens"],
];

function usageOf(usage: Raw) {
  const input = numberAt(usage, "prompt_tokens");
  const output = numberAt(usage, "completion_tokens");
  const reasoning =
    numberAt(usage, "completion_tokens_details", "reasoning_tokens") ?? numberAt(usage, "reasoning_tokens");
  const cached = placesOfCached.map((place) => numberAt(usage, ...place)).find((count) => count !== undefined);
  return {
    inputTokens: input === undefined ? undefined : input + audioApart(usage, input, output ?? 0),
    outputTokens: output === undefined ? undefined : output + reasoningApart(usage, input ?? 0, output, reasoning ?? 0),
    cachedTokens: isImpossible(cached, input) ? undefined : cached, // Azure with Grok: 158 of 78 cached.
    reasoningTokens: reasoning,
  };
}

/** Mistral leaves audio out of its prompt tokens: the total shows it. */
function audioApart(usage: Raw, input: number, output: number): number {
  const audio = numberAt(usage, "prompt_tokens_details", "audio_tokens") ?? 0;
  return input + output + audio === numberAt(usage, "total_tokens") ? audio : 0;
}

/** Reasoning that the output does not include: the total shows it, or it is larger than the output. */
function reasoningApart(usage: Raw, input: number, output: number, reasoning: number): number {
  return input + output + reasoning === numberAt(usage, "total_tokens") || reasoning > output ? reasoning : 0;
}

function isImpossible(part: number | undefined, whole: number | undefined): boolean {
  return (part ?? 0) > (whole ?? 0);
}
