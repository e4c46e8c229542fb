import type { Observed, ObservedCall } from "../observed.ts";
import { at, listAt, numberAt, parse, type Raw, sseJson, textAt } from "../raw-json.ts";

/** What a message holds. */
export function observeWhole(body: Uint8Array): Observed {
  return observe(parse(new TextDecoder().decode(body)));
}

/** What a stream holds: its blocks put together again, then read as a message. */
export function observeStream(body: Uint8Array): Observed {
  const events = untilStop(sseJson(body));
  const whole = events.find((event) => at(event, "type") === "message");
  if (whole !== undefined) return observe(whole);
  const starts = events.filter((event) => at(event, "type") === "content_block_start");
  const deltas = events.filter((event) => at(event, "type") === "message_delta");
  const message = at(
    events.find((event) => at(event, "type") === "message_start"),
    "message",
  );
  return observe({
    content: starts.map((start) => buildBlock(start, events)),
    stop_reason: deltas
      .map((delta) => at(delta, "delta", "stop_reason"))
      .findLast((reason) => typeof reason === "string"),
    stop_details: deltas.map((delta) => at(delta, "delta", "stop_details")).findLast((details) => details !== null),
    usage: Object.assign({}, at(message, "usage"), ...deltas.map((delta) => at(delta, "usage"))),
  });
}

/** The `message_stop` event, or the whole message as one event, in a line that is complete. */
export function hasEnd(body: Uint8Array): boolean {
  const whole = new TextDecoder().decode(body).replace(/[^\n]*$/, "");
  return /"type": ?"message_stop"|^data: .*"type": ?"message".*"stop_reason": ?"/m.test(whole);
}

/** One recording holds several streams, one after the other: the first is the answer. */
function untilStop(events: readonly Raw[]): readonly Raw[] {
  const stop = events.findIndex((event) => at(event, "type") === "message_stop");
  return stop < 0 ? events : events.slice(0, stop + 1);
}

function buildBlock(start: Raw, events: readonly Raw[]): Raw {
  const mine = events.filter((event) => at(event, "index") === at(start, "index"));
  const grown = (kind: string, name: string): string =>
    mine
      .filter((event) => at(event, "delta", "type") === kind)
      .map((event) => textAt(event, "delta", name))
      .join("");
  const block = at(start, "content_block");
  const json = grown("input_json_delta", "partial_json");
  return {
    ...(typeof block === "object" ? block : {}),
    text: textAt(block, "text") + grown("text_delta", "text"),
    thinking: textAt(block, "thinking") + grown("thinking_delta", "thinking"),
    ...(json !== "" && { json }),
  };
}

function observe(message: Raw): Observed {
  const blocks = listAt(message, "content");
  const ofType = (type: string) => blocks.filter((block) => at(block, "type") === type);
  const isRefusal = at(message, "stop_reason") === "refusal";
  return {
    text: ofType("text")
      .map((block) => textAt(block, "text"))
      .join(""),
    refusal: isRefusal ? textAt(message, "stop_details", "explanation") : "",
    reasoning: ofType("thinking")
      .map((block) => textAt(block, "thinking"))
      .join(""),
    calls: ofType("tool_use").map(toCall),
    finish: textAt(message, "stop_reason"),
    ...usageOf(at(message, "usage")),
  };
}

function toCall(block: Raw): ObservedCall {
  const json = textAt(block, "json");
  return { name: textAt(block, "name"), arguments: json === "" ? JSON.stringify(at(block, "input")) : json };
}

function usageOf(usage: Raw) {
  const input = numberAt(usage, "input_tokens");
  const cached = numberAt(usage, "cache_read_input_tokens");
  const written = numberAt(usage, "cache_creation_input_tokens");
  return {
    inputTokens: input === undefined ? undefined : input + (cached ?? 0) + (written ?? 0),
    outputTokens: numberAt(usage, "output_tokens"),
    cachedTokens: cached,
    reasoningTokens: numberAt(usage, "output_tokens_details", "thinking_tokens"),
  };
}
