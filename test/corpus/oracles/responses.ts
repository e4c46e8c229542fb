import type { Observed, ObservedCall } from "../observed.ts";
import { at, listAt, numberAt, parse, type Raw, sseJson, textAt } from "../raw-json.ts";

/** What a whole response holds. */
export function observeWhole(body: Uint8Array): Observed {
  return observeResponse(parse(new TextDecoder().decode(body)));
}

/** What a stream of events holds, by its deltas; usage and end are in the last event. */
export function observeStream(body: Uint8Array): Observed {
  const all = sseJson(body);
  // One recording joins the streams of a whole tool loop: the first is the answer.
  const end = all.findIndex((event) => /^response\.(?:completed|incomplete)$/.test(textAt(event, "type")));
  const events = all.slice(0, end + 1);
  const last = events.at(-1);
  const whole = observeResponse(at(last, "response"));
  const joined = (type: RegExp) =>
    events.map((event) => (type.test(textAt(event, "type")) ? textAt(event, "delta") : "")).join("");
  return {
    ...whole,
    text: joined(/^response\.output_text\.delta$/),
    refusal: joined(/^response\.refusal\.delta$/),
    reasoning: joined(/^response\.reasoning(?:_summary)?_text\.delta$/) || whole.reasoning,
    calls: callsOf(
      events.filter((event) => textAt(event, "type") === "response.output_item.done").map((event) => at(event, "item")),
    ),
  };
}

/** The last event, in a line that is complete. */
export function hasEnd(body: Uint8Array): boolean {
  const whole = new TextDecoder().decode(body).replace(/[^\n]*$/, "");
  return /"type": ?"response\.(?:completed|incomplete)"/.test(whole);
}

function observeResponse(response: Raw): Observed {
  const items = listAt(response, "output");
  const contents = items
    .filter((item) => textAt(item, "type") === "message")
    .flatMap((item) => listAt(item, "content"));
  const reasoning = items.filter((item) => textAt(item, "type") === "reasoning");
  return {
    text: contents.map((content) => textAt(content, "text")).join(""),
    refusal: contents.map((content) => textAt(content, "refusal")).join(""),
    reasoning: reasoning
      .flatMap((item) => [...listAt(item, "summary"), ...listAt(item, "content")])
      .map((entry) => textAt(entry, "text"))
      .join(""),
    calls: callsOf(items),
    finish: textAt(response, "incomplete_details", "reason") || textAt(response, "status"),
    ...usageOf(at(response, "usage")),
  };
}

function callsOf(items: readonly Raw[]): readonly ObservedCall[] {
  return items
    .filter((item) => ["function_call", "custom_tool_call"].includes(textAt(item, "type")))
    .map((item) => ({
      name: textAt(item, "name"),
      arguments: textAt(item, "arguments") || textAt(item, "input") || "{}",
    }));
}

function usageOf(usage: Raw) {
  const input = numberAt(usage, "input_tokens");
  const output = numberAt(usage, "output_tokens");
  const reasoning = numberAt(usage, "output_tokens_details", "reasoning_tokens");
  const isApart =
    reasoning !== undefined &&
    reasoning > 0 &&
    (input ?? 0) + (output ?? 0) + reasoning === numberAt(usage, "total_tokens");
  return {
    inputTokens: input,
    outputTokens: isApart ? (output ?? 0) + (reasoning ?? 0) : output,
    cachedTokens: numberAt(usage, "input_tokens_details", "cached_tokens"),
    reasoningTokens: reasoning,
  };
}
