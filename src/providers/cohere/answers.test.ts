// Answers as Cohere sends them, whole and streamed.
import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { CompleteRequestSchema, FinishReason, type Part, Role } from "../../contract.ts";
import type { Completion } from "../../domain/completion.ts";
import { foldEvent } from "../../domain/fold.ts";
import { ProviderFailure } from "../../domain/provider-failure.ts";
import type { ReadContext } from "../provider.ts";
import { createCohereProvider } from "./index.ts";

type Json = Readonly<Record<string, unknown>>;

const provider = createCohereProvider({ id: "co", kind: "cohere" });
const chat = provider.chat ?? never();
const context: ReadContext = {
  model: "command-a-03-2025",
  callIdSeed: "made_",
  includeProviderMetadata: false,
  includeAllSafetyFindings: false,
};

function never(): never {
  throw new Error("the provider has no chat");
}

function toWhole(message: Json, rest: Json = {}): Completion {
  const answer = { id: "a", message: { role: "assistant", ...message }, finish_reason: "COMPLETE", ...rest };
  return chat.fromHttpResponse({ status: 200, headers: {}, body: Buffer.from(JSON.stringify(answer)) }, context);
}

function stream(events: readonly Json[]): Completion {
  const reader = chat.createReader(context);
  const parts: Part[] = [];
  for (const data of [...events.map((event) => JSON.stringify(event)), "[DONE]"]) {
    for (const read of reader.read({ name: "", data, origin: "event" })) foldEvent(parts, read);
  }
  const end = reader.finish();
  for (const read of end.events) foldEvent(parts, read);
  return { ...end.facts, parts };
}

const begin = { type: "message-start", id: "a", delta: { message: { role: "assistant" } } };

function content(index: number, block: Json, rest: Json = {}): Json {
  return { type: "content-delta", index, delta: { message: { content: block } }, ...rest };
}

function plan(text: string): Json {
  return { type: "tool-plan-delta", delta: { message: { tool_plan: text } } };
}

function ended(delta: Json = {}): Json {
  return { type: "message-end", delta: { finish_reason: "COMPLETE", ...delta } };
}

function cite(index: number, citation: Json): Json {
  return { type: "citation-start", index, delta: { message: { citations: citation } } };
}

/** What the next request sends back of an answer. */
function sentBack(parts: readonly Part[]): unknown {
  const messages = [{ role: Role.ASSISTANT, parts: [...parts] }];
  const request = create(CompleteRequestSchema, { model: "m", messages });
  const translation = chat.toHttpRequest(request, "unary", { model: "m", facts: {} });
  if (translation.kind !== "request") throw new Error("the answer cannot be sent back");
  expect(translation.warnings).toEqual([]);
  return JSON.parse(String(translation.request.body)).messages[0];
}

const call = { id: "w1", type: "function", function: { name: "weather", arguments: '{"city": "Rome"}' } };

test.each<[string, Json]>([
  ["text", { content: "Hi" }],
  ["a plan and calls", { tool_plan: "I look.", tool_calls: [call, { ...call, id: "w2" }] }],
  [
    "thinking and text",
    {
      content: [
        { type: "thinking", thinking: "hm" },
        { type: "text", text: "Hi" },
      ],
    },
  ],
])("%s goes back as it came", (_, message) => {
  expect(sentBack(toWhole(message).parts)).toEqual({ role: "assistant", ...message });
});

test("a stream folds to the whole answer, however it is cut", () => {
  const word = fc.string({ maxLength: 12, unit: "grapheme" });
  const place = fc.record({ start: fc.nat({ max: 15 }), end: fc.nat({ max: 15 }), at: fc.nat({ max: 15 }) });
  fc.assert(
    fc.property(word, word, word, fc.array(place, { maxLength: 3 }), (thinking, toolPlan, text, places) => {
      const citations = places.map(({ start, end }) => ({ start, end, text: "x", sources: [], content_index: 1 }));
      const letters = [...text].map((letter) => content(1, { text: letter }));
      const events = [
        begin,
        content(0, { type: "thinking", thinking: "" }),
        ...[...thinking].map((letter) => content(0, { thinking: letter })),
        ...[...toolPlan].map(plan),
        content(1, { type: "text", text: "" }),
        ...letters,
      ];
      // Citations come somewhere among the letters, in their order.
      const at = places.map((one) => Math.min(one.at, letters.length)).toSorted((left, right) => left - right);
      for (const [index, citation] of citations.entries()) {
        events.splice(events.length - letters.length + (at[index] ?? 0) + index, 0, cite(index, citation));
      }
      const message = {
        content: [
          { type: "thinking", thinking },
          { type: "text", text },
        ],
        tool_plan: toolPlan,
        citations,
      };
      expect(stream([...events, ended()])).toEqual(toWhole(message));
    }),
    { numRuns: 300 },
  );
});

test("citations count characters, the contract bytes", () => {
  const citation = {
    start: 3,
    end: 7,
    text: "café",
    sources: [
      {
        type: "document",
        id: "doc:2",
        document: { id: "doc:2", title: "Guide", text: "A café.", url: "https://x.example" },
      },
      { type: "tool", id: "weather:0", tool_output: { snippet: "noon" } },
    ],
  };
  const { parts } = stream([
    begin,
    cite(0, citation),
    content(0, { text: "😀 a" }),
    content(0, { text: "café!" }),
    ended(),
  ]);
  const value = parts[0]?.content.value;
  expect(value).toMatchObject({
    text: "😀 acafé!",
    citations: [
      { startByte: 6, endByte: 11, title: "Guide", citedText: "A café.", uri: "https://x.example", documentIndex: 2 },
      { startByte: 6, endByte: 11, citedText: "noon", fileId: "weather:0" },
    ],
  });
});

test("a citation is told as soon as its text is there", () => {
  const reader = chat.createReader(context);
  const read = (event: Json) => reader.read({ name: "", data: JSON.stringify(event), origin: "event" });
  read(content(0, { text: "Rome" }));
  expect(read(cite(0, { start: 0, end: 9, sources: [] }))).toEqual([]);
  expect(read(content(0, { text: " is old" })).map(({ kind }) => kind)).toEqual(["text-delta", "citation-delta"]);
});

test("citations of thinking and of the plan have no place in the text", () => {
  const citations = [{ start: 0, end: 1, type: "THINKING_CONTENT", sources: [] }];
  const { parts } = toWhole({ content: [{ type: "text", text: "Hi" }], citations });
  expect(parts[0]?.content.value).toMatchObject({ citations: [] });
});

test.each([
  [{ finish_reason: "ERROR", error: "internal server error" }, "unavailable"],
  [{ finish_reason: "ERROR", error: "bad call", error_type: "INVALID_TOOL_GENERATION" }, "bad-response"],
  [{ finish_reason: "TIMEOUT" }, "timeout"],
  [{ finish_reason: "ERROR_TOXIC" }, "content-filtered"],
])("an answer that failed is a failure although the status is 200: %j", (end, kind) => {
  expect(() => stream([begin, plan("I"), ended(end)])).toThrow(expect.objectContaining({ kind }));
  expect(() => toWhole({ tool_plan: "I" }, end)).toThrow(expect.objectContaining({ kind }));
});

test("a stream without its end is interrupted", () => {
  expect(() => stream([begin, content(0, { text: "Hi" })])).toThrow(expect.objectContaining({ kind: "interrupted" }));
});

test("billed units are the counts; parts that do not fit into them stay unknown", () => {
  const usage = {
    billed_units: { input_tokens: 65, output_tokens: 63 },
    tokens: { input_tokens: 508, output_tokens: 86, reasoning_tokens: 28 },
    cached_tokens: 144,
  };
  const completion = toWhole({ content: "Hi" }, { usage });
  expect(completion.usage).toMatchObject({ inputTokens: 65, outputTokens: 63, reasoningOutputTokens: 28 });
  expect(completion.usage?.cacheReadInputTokens).toBeUndefined();
  expect(toWhole({ content: "Hi" }, { usage: {} }).usage).toBeUndefined();
});

test("a call that was cut off stays unparsable, and one without parameters is an empty object", () => {
  const startCall = {
    type: "tool-call-start",
    index: 0,
    delta: { message: { tool_calls: { ...call, function: { name: "time" } } } },
  };
  const whole = stream([begin, startCall, ended({ finish_reason: "TOOL_CALL" })]);
  expect(whole).toMatchObject({ finishReason: FinishReason.TOOL_CALLS });
  expect(whole.parts[0]?.content.value).toMatchObject({ argumentsJson: "{}" });
  const cut = stream([begin, startCall, ended({ finish_reason: "MAX_TOKENS" })]);
  expect(cut.parts[0]?.content.value).toMatchObject({ argumentsJson: "" });
});

test("log probabilities come with their token", () => {
  const logprobs = { text: " Hi", token_ids: [7], logprobs: [-0.5] };
  const { parts } = stream([begin, content(0, { text: " Hi" }, { logprobs }), ended()]);
  expect(parts[0]?.content.value).toMatchObject({ logprobs: [{ token: " Hi", logprob: -0.5, tokenId: 7 }] });
});

test.each([
  [
    400,
    { message: "too many tokens: size limit exceeded by 5 tokens. The limit for this model is 100 tokens." },
    "context-length",
  ],
  [401, { message: "invalid api token" }, "credentials-rejected"],
  [429, { message: "You are using a Trial key, which is limited to 1000 API calls / month." }, "quota-exhausted"],
  [429, { message: "slow down" }, "rate-limited"],
  [404, { message: "model 'x' not found" }, "rejected-request"],
])("%i %j", (status, body, kind) => {
  expect(provider.toFailure(status, {}, Buffer.from(JSON.stringify(body)))).toMatchObject({ kind });
});

test("a prompt over the window says how far", () => {
  const message = "too many tokens: size limit exceeded by 5 tokens. The limit for this model is 100 tokens.";
  const { facts } = provider.toFailure(
    400,
    {},
    Buffer.from(JSON.stringify({ message, error_type: "TOO_MANY_TOKENS" })),
  );
  expect(facts).toMatchObject({ contextLimit: 100, contextActual: 105 });
});

test("any JSON within a stream is skipped or a provider's failure", () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue()), (events) => {
      const reader = chat.createReader(context);
      try {
        for (const event of events) reader.read({ name: "", data: JSON.stringify(event), origin: "event" });
        reader.finish();
      } catch (error) {
        expect(error).toBeInstanceOf(ProviderFailure);
      }
    }),
  );
});
