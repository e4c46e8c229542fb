import { describe, expect, it } from "vitest";
import { FinishReason, type Part, ReasoningKind } from "../../contract.ts";
import type { Completion } from "../../domain/completion.ts";
import { foldEvent } from "../../domain/fold.ts";
import { ProviderFailure } from "../../domain/provider-failure.ts";
import type { ReadContext } from "../provider.ts";
import { createReader } from "./reader.ts";
import { toCompletion } from "./response.ts";

const context: ReadContext = {
  model: "m",
  callIdSeed: "made_",
  includeProviderMetadata: false,
  includeAllSafetyFindings: false,
};
const rules = { providerName: "p", thinkTags: false };

describe("reasoning", () => {
  it.each([
    { reasoning_content: "why" },
    { reasoning: "why" },
    { reasoning: "why", content: "" },
    { reasoning: "why", reasoning_content: "why" },
    { reasoning_details: [{ type: "reasoning.text", text: "why", index: 0 }] },
    { content: [{ type: "thinking", thinking: [{ type: "text", text: "why" }] }] },
  ])("is found in %j", (delta) => {
    const parts = stream([delta, { content: "So" }], "stop").parts;
    expect(shape(parts)).toEqual(["reasoning:why", "text:So"]);
    expect(parts[0]?.state?.provider).toBe("p");
  });

  it("ends when the answer begins", () => {
    const events = eventsOf([{ reasoning: "why" }, { content: "So" }]);
    expect(events.map((event) => event.kind)).toEqual([
      "part-start",
      "reasoning-delta",
      "part-end",
      "part-start",
      "text-delta",
    ]);
  });

  it("in tags is told apart where the dialect says so", () => {
    const deltas = [{ content: "<thi" }, { content: "nk>why</think>So" }];
    expect(shape(stream(deltas, "stop", { ...rules, thinkTags: true }).parts)).toEqual(["reasoning:why", "text:So"]);
    expect(shape(stream(deltas, "stop").parts)).toEqual(["text:<think>why</think>So"]);
  });

  it("carries signatures that come late, beside the calls, as state", () => {
    const { parts } = stream(
      [
        { reasoning: "wh", reasoning_details: [{ type: "reasoning.text", text: "wh", index: 0 }] },
        { reasoning: "y", reasoning_details: [{ type: "reasoning.text", text: "y", index: 0 }] },
        { tool_calls: [{ index: 0, id: "c", function: { name: "f", arguments: "{}" } }] },
        { reasoning_details: [{ type: "reasoning.text", index: 0, signature: "sig" }] },
      ],
      "tool_calls",
    );
    expect(shape(parts)).toEqual(["reasoning:why", "toolCall:f{}"]);
    expect(JSON.parse(new TextDecoder().decode(parts[0]?.state?.data))).toEqual([
      { type: "reasoning.text", text: "why", index: 0, signature: "sig" },
    ]);
  });

  it("that is encrypted has no text, only state", () => {
    const [part] = stream([{ reasoning_details: [{ type: "reasoning.encrypted", data: "x" }] }], "stop").parts;
    expect(part?.content.value).toMatchObject({ text: "", kind: ReasoningKind.REDACTED });
  });
});

describe("tool calls", () => {
  it.each([
    [
      "deltas with an index",
      [call(0, "a", "f", ""), call(0, null, null, '{"x"'), call(0, null, null, ":1}"), call(1, "b", "g", "{}")],
    ],
    ["deltas that repeat id and name", [call(0, "a", "f", '{"x"'), call(0, "a", "f", ":1}"), call(1, "b", "g", "{}")]],
    ["deltas with empty ids and names", [call(0, "a", "f", '{"x"'), call(0, "", "", ":1}"), call(1, "b", "g", "{}")]],
    ["whole calls without index", [call(undefined, "a", "f", '{"x":1}'), call(undefined, "b", "g", "{}")]],
    ["whole calls that all have index 0", [call(0, "a", "f", '{"x":1}'), call(0, "b", "g", "{}")]],
    [
      "calls that take turns",
      [call(0, "a", "f", '{"x"'), call(1, "b", "g", "{"), call(0, null, null, ":1}"), call(1, null, null, "}")],
    ],
  ])("are put together from %s", (_, deltas) => {
    const { parts, finishReason } = stream(deltas, "tool_calls");
    expect(shape(parts)).toEqual(['toolCall:f{"x":1}', "toolCall:g{}"]);
    expect(parts.map((part) => part.content.case === "toolCall" && part.content.value.callId)).toEqual(["a", "b"]);
    expect(finishReason).toBe(FinishReason.TOOL_CALLS);
  });

  it("without an id get one that is made from the seed", () => {
    const { parts } = stream([call(0, null, "f", "{}"), call(1, "", "g", "{}")], "stop");
    expect(parts.map((part) => part.content.case === "toolCall" && part.content.value.callId)).toEqual([
      "made_0",
      "made_1",
    ]);
  });

  it("without parameters are an empty object, unless they were cut off", () => {
    expect(shape(stream([call(0, "a", "f", "")], "tool_calls").parts)).toEqual(["toolCall:f{}"]);
    expect(shape(stream([call(0, "a", "f", "")], "length").parts)).toEqual(["toolCall:f"]);
  });

  it("without a name make the answer malformed", () => {
    expect(stream([call(0, "a", null, "{}")], "tool_calls").finishReason).toBe(FinishReason.MALFORMED_OUTPUT);
  });

  it("decide over the word for the end", () => {
    expect(stream([call(0, "a", "f", "{}")], "stop").finishReason).toBe(FinishReason.TOOL_CALLS);
    expect(stream([{ content: "x" }], "tool_calls").finishReason).toBe(FinishReason.STOP);
  });

  it("with free text are not JSON", () => {
    const custom = { tool_calls: [{ index: 0, id: "a", type: "custom", custom: { name: "sql", input: "select" } }] };
    expect(stream([custom], "tool_calls").parts[0]?.content.value).toMatchObject({
      freeForm: true,
      argumentsJson: "select",
    });
  });
});

describe("the end", () => {
  it("needs a finish reason or [DONE]", () => {
    expect(() => read([chunk({ content: "x" })])).toThrow(expect.objectContaining({ kind: "interrupted" }));
    expect(read([chunk({ content: "x" }), "[DONE]"]).finishReason).toBe(FinishReason.UNSPECIFIED);
    expect(read([chunk({ content: "x" }), chunk({}, "stop")]).finishReason).toBe(FinishReason.STOP);
  });

  it("does not come with the first finish reason", () => {
    const { parts } = read([
      chunk({ content: "a" }, "stop"),
      chunk({ content: "b" }, "stop"),
      "[DONE]",
      chunk({ content: "c" }),
    ]);
    expect(shape(parts)).toEqual(["text:ab"]);
  });

  it("takes the last usage, wherever it stands, and never adds", () => {
    const usage = (completion_tokens: number) => ({ prompt_tokens: 3, completion_tokens });
    const first = JSON.stringify({ choices: [], usage: usage(1) });
    const second = JSON.stringify({ choices: [], x_groq: { usage: usage(2) } });
    const nothing = JSON.stringify({ choices: [], usage: null });
    expect(read([chunk({ content: "x" }, "stop"), first, second, nothing]).usage?.outputTokens).toBe(2);
  });

  it("by a filter is a result, and by a refusal too", () => {
    expect(stream([{ content: "I" }], "content_filter").finishReason).toBe(FinishReason.CONTENT_FILTER);
    const refused = stream([{ refusal: "I ca" }, { refusal: "n't" }], "stop");
    expect(refused.finishReason).toBe(FinishReason.REFUSAL);
    expect(shape(refused.parts)).toEqual(["refusal:I can't"]);
  });

  it.each([
    '{"error":{"message":"m","type":"server_error"}}',
    '{"error":"m"}',
    '{"object":"error","message":"m","code":500}',
    '{"id":"x","choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}],"error":{"code":502,"message":"m"}}',
    '{"choices":[{"index":0,"delta":{},"error":{"code":502,"message":"m"}}]}',
    "not json",
    "[1]",
  ])("by an error is a failure: %s", (data) => {
    expect(() => read([chunk({ content: "x" }), data])).toThrow(ProviderFailure);
  });
});

it("knows what was consumed although the last chunk is an error", () => {
  const reader = createReader(rules, context);
  const data = '{"error":{"code":502,"message":"m"},"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}';
  expect(() => reader.read({ name: "", data, origin: "event" })).toThrow(ProviderFailure);
  expect(reader.usage()).toMatchObject({ inputTokens: 3, outputTokens: 2 });
});

it("takes id and model from the first chunk that has them", () => {
  const azure = JSON.stringify({ id: "", model: "", choices: [], prompt_filter_results: [] });
  const first = JSON.stringify({ id: "a", model: "m1", choices: [{ index: 0, delta: { content: "x" } }] });
  const other = JSON.stringify({ id: "b", model: "m2", choices: [{ index: 0, delta: {}, finish_reason: "stop" }] });
  expect(read([azure, first, other])).toMatchObject({ providerResponseId: "a", responseModel: "m1" });
});

it("reads the first choice only", () => {
  const second = JSON.stringify({ choices: [{ index: 1, delta: { content: "no" }, finish_reason: "stop" }] });
  expect(shape(read([chunk({ content: "yes" }), second, chunk({}, "stop")]).parts)).toEqual(["text:yes"]);
});

it("never cuts a code point", () => {
  const events = eventsOf([{ content: "a\ud83d" }, { content: "\ude00b" }]);
  const texts = events.map((event) => (event.kind === "text-delta" ? event.text : "")).filter((text) => text !== "");
  expect(texts).toEqual(["a", "\u{1f600}b"]);
});

it("counts positions of citations in UTF-8", () => {
  const url_citation = { start_index: 2, end_index: 5, url: "https://x", title: "X" };
  const deltas = [{ content: "é\u{1f600}abc." }, { annotations: [{ type: "url_citation", url_citation }] }];
  const [part] = stream(deltas, "stop").parts;
  expect(part?.content.value).toMatchObject({
    citations: [{ startByte: 6, endByte: 9, uri: "https://x", title: "X" }],
  });
});

it("cites the sources of a search for the whole answer, once", () => {
  const results = [{ title: "T", url: "https://x", snippet: "s" }];
  const sourced = JSON.stringify({ citations: ["https://x"], search_results: results, choices: [] });
  const [part] = read([sourced, chunk({ content: "x [1]" }), sourced, chunk({}, "stop")]).parts;
  expect(part?.content.value).toMatchObject({
    citations: [{ uri: "https://x", title: "T", citedText: "s" }],
  });
});

it("gives log probabilities with their text, and those of tokens without text too", () => {
  const logprobs = (token: string) => ({
    content: [{ token, logprob: -0.5, bytes: [65], top_logprobs: [{ token, logprob: -0.5 }] }],
  });
  const choice = (content: string, token: string) =>
    JSON.stringify({ choices: [{ index: 0, delta: { content }, logprobs: logprobs(token) }] });
  const [part] = read([choice("A", "A"), choice("", "<end>"), chunk({}, "stop")]).parts;
  expect(part?.content.case === "text" && part.content.value.logprobs.map((one) => one.token)).toEqual(["A", "<end>"]);
});

it("reads generated images and spoken answers", () => {
  const images = [{ type: "image_url", image_url: { url: "data:image/png;base64,AQI=" } }];
  const { parts } = stream(
    [{ images }, { audio: { id: "a", transcript: "hi" } }, { audio: { data: "AQ==" } }, { audio: { data: "Ag==" } }],
    "stop",
  );
  expect(parts[0]?.content.value).toMatchObject({ mediaType: "image/png", source: { value: new Uint8Array([1, 2]) } });
  expect(parts[1]).toMatchObject({
    state: { itemId: "a" },
    content: { value: { transcript: "hi", source: { value: new Uint8Array([1, 2]) } } },
  });
});

it("keeps content of unknown kinds as it came", () => {
  const [part] = stream([{ content: [{ type: "reference", reference_ids: [1] }] }], "stop").parts;
  expect(part?.content.value).toMatchObject({
    provider: "p",
    kind: "reference",
    payloadJson: '{"type":"reference","reference_ids":[1]}',
  });
});

it("gives metadata only when it is wanted", () => {
  const body = {
    choices: [{ message: { content: "x" }, finish_reason: "stop" }],
    timings: { a: 1 },
    provider: "Google",
  };
  const response = { status: 200, headers: {}, body: new TextEncoder().encode(`\n \n${JSON.stringify(body)}`) };
  expect(toCompletion(response, rules, context).providerMetadata).toEqual({});
  expect(toCompletion(response, rules, { ...context, includeProviderMetadata: true }).providerMetadata).toEqual({
    p: { timings: { a: 1 }, provider: "Google" },
  });
});

it("shows calls that the server ran itself, with what they gave", () => {
  const started = { index: 0, type: "search", arguments: '{"q":1}' };
  const { parts, finishReason } = stream(
    [{ executed_tools: [started] }, { executed_tools: [{ ...started, output: "found" }] }, { content: "x" }],
    "stop",
  );
  expect(parts.map((part) => part.content.case)).toEqual(["text", "toolCall", "toolResult"]);
  expect(parts[1]?.content.value).toMatchObject({ providerExecuted: true, argumentsJson: '{"q":1}' });
  expect(finishReason).toBe(FinishReason.STOP);
});

function call(index: number | undefined, id: string | null, name: string | null, args: string): object {
  return { tool_calls: [{ index, id, type: "function", function: { name, arguments: args } }] };
}

function chunk(delta: object, finish_reason: string | null = null): string {
  return JSON.stringify({ choices: [{ index: 0, delta, finish_reason }] });
}

function stream(deltas: readonly object[], finish: string, withRules = rules): Completion {
  return read([...deltas.map((delta) => chunk(delta)), chunk({}, finish), "[DONE]"], withRules);
}

function eventsOf(deltas: readonly object[]) {
  const reader = createReader(rules, context);
  return deltas.flatMap((delta) => reader.read({ name: "", data: chunk(delta), origin: "event" }));
}

function read(datas: readonly string[], withRules = rules): Completion {
  const reader = createReader(withRules, context);
  const parts: Part[] = [];
  for (const data of datas) {
    for (const event of reader.read({ name: "", data, origin: "event" })) foldEvent(parts, event);
  }
  const { events, facts } = reader.finish();
  for (const event of events) foldEvent(parts, event);
  return { ...facts, parts };
}

/** Parts in short: "kind:text". */
function shape(parts: readonly Part[]): string[] {
  return parts.map(({ content }) => {
    if (content.case === "toolCall") return `toolCall:${content.value.name}${content.value.argumentsJson}`;
    const value = content.value;
    return `${content.case}:${value !== undefined && "text" in value ? value.text : ""}`;
  });
}
