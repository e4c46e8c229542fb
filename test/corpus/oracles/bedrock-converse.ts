import type { Observed, ObservedCall } from "../observed.ts";
import { at, listAt, numberAt, parse, type Raw, textAt } from "../raw-json.ts";
import { framesOf } from "./event-stream.ts";

/** What an answer of Converse holds. */
export function observeWhole(body: Uint8Array): Observed {
  const response = parse(new TextDecoder().decode(body));
  const blocks = listAt(response, "output", "message", "content");
  const cited = blocks.flatMap((block) => listAt(block, "citationsContent", "content"));
  return {
    text: join([...blocks, ...cited], "text"),
    refusal: "",
    reasoning: join(blocks, "reasoningContent", "reasoningText", "text"),
    calls: blocks.map((block) => at(block, "toolUse")).flatMap((call) => toCalls(call, at(call, "input"))),
    finish: textAt(response, "stopReason"),
    ...usageOf(at(response, "usage")),
  };
}

/** What the frames of ConverseStream hold. */
export function observeStream(body: Uint8Array): Observed {
  const frames = framesOf(body);
  const payloads = (type: string) => frames.filter((frame) => frame.type === type).map(({ payload }) => payload);
  const deltas = payloads("contentBlockDelta");
  const starts = payloads("contentBlockStart");
  return {
    text: join(deltas, "delta", "text"),
    refusal: "",
    reasoning: join(deltas, "delta", "reasoningContent", "text"),
    calls: starts.flatMap((start) => {
      const own = deltas.filter((delta) => at(delta, "contentBlockIndex") === at(start, "contentBlockIndex"));
      return toCalls(at(start, "start", "toolUse"), join(own, "delta", "toolUse", "input"));
    }),
    finish: textAt(payloads("messageStop").at(-1), "stopReason"),
    ...usageOf(at(payloads("metadata").at(-1), "usage")),
  };
}

/** A whole `messageStop`: what comes after it is only counts. */
export function hasEnd(body: Uint8Array): boolean {
  return framesOf(body).some(({ type }) => type === "messageStop");
}

function join(holders: readonly Raw[], ...path: readonly string[]): string {
  return holders.map((holder) => textAt(holder, ...path)).join("");
}

/** Those that the caller has to execute; `input` is an object, or its JSON text. */
function toCalls(call: Raw, input: Raw): readonly ObservedCall[] {
  if (call === undefined || at(call, "type") === "server_tool_use") return [];
  const json = typeof input === "string" ? input : JSON.stringify(input);
  return [{ name: textAt(call, "name"), arguments: json || "{}" }];
}

function usageOf(usage: Raw) {
  const input = numberAt(usage, "inputTokens");
  const cached = numberAt(usage, "cacheReadInputTokens");
  const written = numberAt(usage, "cacheWriteInputTokens");
  return {
    inputTokens: input === undefined ? undefined : input + (cached ?? 0) + (written ?? 0),
    outputTokens: numberAt(usage, "outputTokens"),
    cachedTokens: cached,
    reasoningTokens: undefined,
  };
}
