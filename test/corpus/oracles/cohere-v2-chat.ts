import type { Observed, ObservedCall } from "../observed.ts";
import { at, listAt, numberAt, parse, type Raw, sseJson, textAt } from "../raw-json.ts";

/** What an answer of the chat API holds. */
export function observeWhole(body: Uint8Array): Observed {
  const answer = parse(new TextDecoder().decode(body));
  const content = listAt(answer, "message", "content");
  return {
    text: join(content, "text"),
    refusal: "",
    reasoning: join(content, "thinking") + textAt(answer, "message", "tool_plan"),
    calls: listAt(answer, "message", "tool_calls").map((call) => ({
      name: textAt(call, "function", "name"),
      arguments: textAt(call, "function", "arguments"),
    })),
    finish: textAt(answer, "finish_reason"),
    ...usageOf(at(answer, "usage")),
  };
}

/** What a stream holds. */
export function observeStream(body: Uint8Array): Observed {
  const events = sseJson(body);
  const contents = events.map((event) => at(event, "delta", "message", "content"));
  const plans = events.map((event) => at(event, "delta", "message"));
  const end = events.find((event) => at(event, "type") === "message-end");
  return {
    text: join(contents, "text"),
    refusal: "",
    reasoning: join(contents, "thinking") + join(plans, "tool_plan"),
    calls: events.filter((event) => at(event, "type") === "tool-call-start").map((start) => toCall(start, events)),
    finish: textAt(end, "delta", "finish_reason"),
    ...usageOf(at(end, "delta", "usage")),
  };
}

/** The `message-end` event, in a line that is complete. */
export function hasEnd(body: Uint8Array): boolean {
  const whole = new TextDecoder().decode(body).replace(/[^\n]*$/, "");
  return /"type": ?"message-end"/.test(whole);
}

function join(holders: readonly Raw[], name: string): string {
  return holders.map((holder) => textAt(holder, name)).join("");
}

function toCall(start: Raw, events: readonly Raw[]): ObservedCall {
  const place = ["delta", "message", "tool_calls", "function"] as const;
  const deltas = events.filter(
    (event) => at(event, "type") === "tool-call-delta" && at(event, "index") === at(start, "index"),
  );
  return {
    name: textAt(start, ...place, "name"),
    arguments: [start, ...deltas].map((event) => textAt(event, ...place, "arguments")).join(""),
  };
}

/** Billed units where there are any. What is counted of `tokens` only counts where it fits into those. */
function usageOf(usage: Raw) {
  const input = numberAt(usage, "billed_units", "input_tokens") ?? numberAt(usage, "tokens", "input_tokens");
  const output = numberAt(usage, "billed_units", "output_tokens") ?? numberAt(usage, "tokens", "output_tokens");
  return {
    inputTokens: input,
    outputTokens: output,
    cachedTokens: partOf(input, numberAt(usage, "cached_tokens")),
    reasoningTokens: partOf(output, numberAt(usage, "tokens", "reasoning_tokens")),
  };
}

function partOf(whole: number | undefined, part: number | undefined): number | undefined {
  return part !== undefined && whole !== undefined && part <= whole ? part : undefined;
}
