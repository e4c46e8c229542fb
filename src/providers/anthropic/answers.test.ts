// Answers as the API sends them, whole and streamed.
import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { readContext, readStream } from "../../../test/corpus/read-case.ts";
import {
  CompleteRequestSchema,
  FinishReason,
  type Part,
  ReasoningKind,
  Role,
  SafetyAction,
  UsageSource,
} from "../../contract.ts";
import type { Completion } from "../../domain/completion.ts";
import { ProviderFailure } from "../../domain/provider-failure.ts";
import { cuttings } from "../../wire/cuttings.ts";
import { createAnthropicProvider } from "./index.ts";
import { outputToolName } from "./wire.ts";

type Json = Readonly<Record<string, unknown>>;

const provider = createAnthropicProvider({ id: "claude", kind: "anthropic" });
const chat = provider.chat ?? never();
const context = { ...readContext, model: "claude-sonnet-4-5" };
const encoder = new TextEncoder();

function never(): never {
  throw new Error("the provider has no chat");
}

function toWhole(message: Json): Completion {
  const whole = { id: "msg_1", type: "message", role: "assistant", model: "claude-sonnet-4-5", ...message };
  return chat.fromHttpResponse({ status: 200, headers: {}, body: encoder.encode(JSON.stringify(whole)) }, context);
}

function toSse(events: readonly Json[]): Uint8Array {
  return encoder.encode(events.map((event) => `event: ${event["type"]}\ndata: ${JSON.stringify(event)}\n\n`).join(""));
}

function stream(events: readonly Json[]): Completion {
  return readStream(chat, [toSse(events)]).completion;
}

function contents(parts: readonly Part[]) {
  return parts.map((part) => part.content);
}

const start = {
  type: "message_start",
  message: { id: "msg_1", model: "claude-sonnet-4-5", usage: { input_tokens: 5 } },
};
const stop = { type: "message_stop" };
const ended = { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 3 } };

function blockStart(index: number, content_block: Json): Json {
  return { type: "content_block_start", index, content_block };
}

function blockDelta(index: number, delta: Json): Json {
  return { type: "content_block_delta", index, delta };
}

function blockStop(index: number): Json {
  return { type: "content_block_stop", index };
}

/** What the next request sends back of an answer. */
function sentBack(parts: readonly Part[]): unknown {
  const messages = [{ role: Role.ASSISTANT, parts: [...parts] }];
  const request = create(CompleteRequestSchema, { model: "m", messages });
  const translation = chat.toHttpRequest(request, "unary", { model: "claude-sonnet-4-5", facts: {} });
  if (translation.kind !== "request") throw new Error("the answer cannot be sent back");
  expect(translation.warnings).toEqual([]);
  return JSON.parse(String(translation.request.body)).messages[0]?.content;
}

test("counts of message_delta correct those of message_start and are never added to them", () => {
  const completion = stream([
    {
      type: "message_start",
      message: {
        usage: {
          input_tokens: 10,
          cache_read_input_tokens: 100,
          cache_creation_input_tokens: 30,
          cache_creation: { ephemeral_5m_input_tokens: 10, ephemeral_1h_input_tokens: 20 },
          output_tokens: 1,
          service_tier: "priority",
        },
      },
    },
    { type: "message_delta", delta: {}, usage: { output_tokens: 4 } },
    {
      type: "message_delta",
      delta: { stop_reason: "end_turn" },
      usage: {
        input_tokens: 12,
        output_tokens: 9,
        output_tokens_details: { thinking_tokens: 4 },
        server_tool_use: { web_search_requests: 2, web_fetch_requests: 0 },
      },
    },
    stop,
  ]);
  expect(completion.usage).toMatchObject({
    inputTokens: 142,
    outputTokens: 9,
    cacheReadInputTokens: 100,
    cacheWriteInputTokens: 30,
    cacheWrites: [
      { ttl: { seconds: 300n }, inputTokens: 10 },
      { ttl: { seconds: 3600n }, inputTokens: 20 },
    ],
    reasoningOutputTokens: 4,
    providerToolCalls: { web_search: 2 },
    source: UsageSource.PROVIDER,
  });
  expect(completion.serviceTier).toBe("priority");
});

test("counts that did not come stay unknown", () => {
  const usage = toWhole({ content: [], stop_reason: "end_turn", usage: { input_tokens: 1, output_tokens: 2 } }).usage;
  expect(usage?.cacheReadInputTokens).toBeUndefined();
  expect(usage?.reasoningOutputTokens).toBeUndefined();
  expect(toWhole({ content: [], stop_reason: "end_turn" }).usage).toBeUndefined();
});

test("a ping may stand anywhere, and an event that is newer than this program is skipped", () => {
  const text = blockDelta(0, { type: "text_delta", text: "Hi" });
  const novelty = blockDelta(0, { type: "novelty_delta", thing: 1 });
  const events = [
    start,
    { type: "ping" },
    blockStart(0, { type: "text", text: "" }),
    { type: "novelty" },
    text,
    novelty,
  ];
  const completion = stream([...events, blockStop(0), ended, stop]);
  expect(contents(completion.parts)).toMatchObject([{ case: "text", value: { text: "Hi" } }]);
});

test("a call without parameters has the arguments {}", () => {
  const call = { type: "tool_use", id: "toolu_1", name: "now", input: {} };
  const empty = blockDelta(0, { type: "input_json_delta", partial_json: "" });
  const completion = stream([start, blockStart(0, call), empty, blockStop(0), ended, stop]);
  expect(contents(completion.parts)).toMatchObject([
    { value: { callId: "toolu_1", name: "now", argumentsJson: "{}" } },
  ]);
});

test("a call may bring its whole input at its start", () => {
  const call = { type: "tool_use", id: "toolu_1", name: "now", input: { zone: "UTC" } };
  const completion = stream([start, blockStart(0, call), blockStop(0), ended, stop]);
  expect(contents(completion.parts)).toMatchObject([{ value: { argumentsJson: '{"zone":"UTC"}' } }]);
});

test("arguments are kept as the model wrote them, cut off or not", () => {
  const call = { type: "tool_use", id: "toolu_1", name: "now", input: {} };
  const cut = blockDelta(0, { type: "input_json_delta", partial_json: '{"zone" : "U' });
  const truncated = { type: "message_delta", delta: { stop_reason: "max_tokens" } };
  const completion = stream([start, blockStart(0, call), cut, blockStop(0), truncated, stop]);
  expect(contents(completion.parts)).toMatchObject([{ value: { argumentsJson: '{"zone" : "U' } }]);
  expect(completion.finishReason).toBe(FinishReason.MAX_TOKENS);
});

test("thinking and its signature go back exactly, hidden thinking too", () => {
  const blocks = [
    { type: "thinking", thinking: "Let me see.", signature: "EqQBCkgIBxAB==" },
    { type: "redacted_thinking", data: "EmwKAhgBEgy3va3pzix" },
    { type: "text", text: "Four." },
  ];
  const { parts } = toWhole({ content: blocks, stop_reason: "end_turn" });
  expect(parts[0]?.content).toMatchObject({ case: "reasoning", value: { kind: ReasoningKind.SUMMARY } });
  expect(parts[1]?.content).toMatchObject({ case: "reasoning", value: { text: "", kind: ReasoningKind.REDACTED } });
  expect(sentBack(parts)).toEqual(blocks);
});

test("a search that Anthropic ran, its result and the citations of it go back exactly", () => {
  const citation = {
    type: "web_search_result_location",
    url: "https://example.com",
    title: "Example",
    encrypted_index: "Eo8BCioIAhgBIiQyYjQ0OWJm",
    cited_text: "It is.",
  };
  const blocks = [
    { type: "server_tool_use", id: "srvtoolu_1", name: "web_search", input: { query: "it" } },
    { type: "web_search_tool_result", tool_use_id: "srvtoolu_1", content: [{ type: "web_search_result", url: "u" }] },
    { type: "mcp_tool_use", id: "mcptoolu_1", name: "echo", server_name: "s", input: {} },
    { type: "mcp_tool_result", tool_use_id: "mcptoolu_1", is_error: true, content: [] },
    { type: "text", text: "It is.", citations: [citation] },
  ];
  const { parts } = toWhole({ content: blocks, stop_reason: "end_turn" });
  expect(contents(parts)).toMatchObject([
    { case: "toolCall", value: { callId: "srvtoolu_1", providerExecuted: true } },
    { case: "toolResult", value: { callId: "srvtoolu_1", providerExecuted: true, isError: false } },
    { case: "toolCall", value: { callId: "mcptoolu_1", providerExecuted: true } },
    { case: "toolResult", value: { callId: "mcptoolu_1", isError: true } },
    { case: "text", value: { citations: [{ uri: "https://example.com", title: "Example", citedText: "It is." }] } },
  ]);
  expect(sentBack(parts)).toEqual(blocks);
});

test.each([
  [
    {
      type: "page_location",
      document_index: 1,
      document_title: "T",
      start_page_number: 2,
      end_page_number: 4,
      file_id: "f",
    },
    { documentIndex: 1, title: "T", sourceStart: 2, sourceEnd: 4, sourceUnit: "page", fileId: "f" },
  ],
  [
    { type: "char_location", document_index: 0, start_char_index: 5, end_char_index: 9 },
    { documentIndex: 0, sourceStart: 5, sourceEnd: 9, sourceUnit: "char" },
  ],
  [
    { type: "content_block_location", document_index: 0, start_block_index: 1, end_block_index: 2 },
    { sourceStart: 1, sourceEnd: 2, sourceUnit: "block" },
  ],
  [
    { type: "search_result_location", source: "https://a", title: "A", start_block_index: 0, end_block_index: 1 },
    { uri: "https://a", title: "A", sourceUnit: "block" },
  ],
])("a citation says where its source stands: $type", (raw, expected) => {
  const delta = blockDelta(0, { type: "citations_delta", citation: raw });
  const { parts } = stream([start, blockStart(0, { type: "text", text: "" }), delta, blockStop(0), ended, stop]);
  expect(contents(parts)).toMatchObject([{ value: { citations: [expected] } }]);
});

test("a kind of block that is newer than this program is kept with its deltas and goes back", () => {
  const { parts } = stream([
    start,
    blockStart(0, { type: "compaction", content: "" }),
    blockDelta(0, { type: "compaction_delta", content: "So " }),
    blockDelta(0, { type: "compaction_delta", content: "far." }),
    blockStop(0),
    ended,
    stop,
  ]);
  expect(contents(parts)).toMatchObject([{ case: "provider", value: { provider: "anthropic", kind: "compaction" } }]);
  expect(sentBack(parts)).toEqual([{ type: "compaction", content: "So far." }]);
});

test("the call that stands in for a JSON schema is the answer itself", () => {
  const call = { type: "tool_use", id: "toolu_1", name: outputToolName, input: {} };
  const json = blockDelta(0, { type: "input_json_delta", partial_json: '{"city":"Rome"}' });
  const called = { type: "message_delta", delta: { stop_reason: "tool_use" } };
  const completion = stream([start, blockStart(0, call), json, blockStop(0), called, stop]);
  expect(contents(completion.parts)).toMatchObject([{ case: "text", value: { text: '{"city":"Rome"}' } }]);
  expect(completion.finishReason).toBe(FinishReason.STOP);
});

test("a refusal says why, as a part and as a finding", () => {
  const stop_details = { type: "refusal", category: "cyber", explanation: "No." };
  const whole = toWhole({ content: [], stop_reason: "refusal", stop_details });
  const streamed = stream([start, { type: "message_delta", delta: { stop_reason: "refusal", stop_details } }, stop]);
  for (const completion of [whole, streamed]) {
    expect(completion.finishReason).toBe(FinishReason.REFUSAL);
    expect(contents(completion.parts)).toMatchObject([{ case: "refusal", value: { text: "No.", category: "cyber" } }]);
    expect(completion.safetyFindings).toMatchObject([
      { source: "anthropic", category: "cyber", action: SafetyAction.BLOCKED },
    ]);
  }
});

test.each([
  ["end_turn", FinishReason.STOP],
  ["stop_sequence", FinishReason.STOP],
  ["tool_use", FinishReason.TOOL_CALLS],
  ["pause_turn", FinishReason.PAUSED],
  ["model_context_window_exceeded", FinishReason.CONTEXT_WINDOW],
  ["novelty", FinishReason.OTHER],
])("the provider's word %s is kept beside ours", (word, reason) => {
  const completion = toWhole({ content: [], stop_reason: word, stop_sequence: "END" });
  expect(completion).toMatchObject({ finishReason: reason, providerFinishReason: word, stopSequence: "END" });
});

test("a second message_start goes on with the answer", () => {
  const text = (words: string) => [
    blockStart(0, { type: "text", text: "" }),
    blockDelta(0, { type: "text_delta", text: words }),
  ];
  const completion = stream([start, ...text("One"), start, ...text("Two"), blockStop(0), ended, stop]);
  expect(contents(completion.parts)).toMatchObject([{ value: { text: "One" } }, { value: { text: "Two" } }]);
  expect(completion.usage).toMatchObject({ inputTokens: 5, outputTokens: 3 });
});

test("what has no field of its own is metadata, when it is wanted", () => {
  const message = {
    content: [],
    stop_reason: "end_turn",
    container: { id: "c" },
    usage: { input_tokens: 1, speed: "fast" },
  };
  const body = encoder.encode(JSON.stringify(message));
  const wanted = chat.fromHttpResponse(
    { status: 200, headers: {}, body },
    { ...context, includeProviderMetadata: true },
  );
  expect(wanted.providerMetadata).toMatchObject({ anthropic: { container: { id: "c" }, usage: { speed: "fast" } } });
  expect(toWhole(message).providerMetadata).toEqual({});
});

test.each([
  ["overloaded_error", "overloaded"],
  ["rate_limit_error", "rate-limited"],
  ["api_error", "unavailable"],
  ["invalid_request_error", "rejected-request"],
])("an error event of type %s breaks the stream", (type, kind) => {
  const error = { type: "error", error: { type, message: "words" }, request_id: "req_1" };
  expect(() => stream([start, blockStart(0, { type: "text", text: "" }), error])).toThrow(
    expect.objectContaining({
      kind,
      facts: expect.objectContaining({ providerCode: type, providerRequestId: "req_1" }),
    }),
  );
});

test("a stream without message_stop was interrupted, and what it had used by then is known", () => {
  const reader = chat.createReader(context);
  for (const event of [start, blockStart(0, { type: "text", text: "Hi" }), blockStop(0), ended]) {
    reader.read({ name: "", data: JSON.stringify(event), origin: "event" });
  }
  expect(reader.usage()).toMatchObject({ inputTokens: 5, outputTokens: 3 });
  expect(() => reader.finish()).toThrow(expect.objectContaining({ kind: "interrupted" }));
});

test("an error inside an answer with status 200 is a failure", () => {
  const error = { type: "error", error: { type: "overloaded_error", message: "busy" } };
  expect(() => toWhole(error)).toThrow(ProviderFailure);
});

const words = fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 });
const block: fc.Arbitrary<Json> = fc.oneof(
  words.map((text) => ({ type: "text", text })),
  fc.record({ type: fc.constant("thinking"), thinking: words, signature: fc.base64String({ minLength: 4 }) }),
  fc.base64String({ minLength: 4 }).map((data) => ({ type: "redacted_thinking", data })),
  fc.record({
    type: fc.constantFrom("tool_use", "server_tool_use"),
    id: fc.uuid(),
    name: fc.constantFrom("a", "b"),
    input: fc.dictionary(fc.constantFrom("x", "y"), fc.oneof(words, fc.integer(), fc.constant(null))),
  }),
  fc.record({
    type: fc.constant("bash_code_execution_tool_result"),
    tool_use_id: fc.uuid(),
    content: fc.constant({ type: "x" }),
  }),
  fc.record({ type: fc.constant("container_upload"), file_id: words }),
);

/** The events that the API would send for a block, its growing text cut at `size`. */
function toEvents(value: Json, index: number, size: number): readonly Json[] {
  const { type } = value;
  const pieces = (text: unknown, make: (piece: string) => Json) =>
    (String(text).match(new RegExp(`[^]{1,${size}}`, "gu")) ?? []).map((piece) => blockDelta(index, make(piece)));
  const grown = (empty: Json, deltas: readonly Json[]) => [blockStart(index, empty), ...deltas, blockStop(index)];
  if (type === "text")
    return grown(
      { type, text: "" },
      pieces(value["text"], (text) => ({ type: "text_delta", text })),
    );
  if (type === "thinking") {
    const signed = blockDelta(index, { type: "signature_delta", signature: value["signature"] });
    const deltas = pieces(value["thinking"], (thinking) => ({ type: "thinking_delta", thinking }));
    return grown({ type, thinking: "", signature: "" }, [...deltas, signed]);
  }
  if (type === "tool_use" || type === "server_tool_use") {
    const json = JSON.stringify(value["input"]);
    const deltas = pieces(json, (partial_json) => ({ type: "input_json_delta", partial_json }));
    return grown({ ...value, input: {} }, deltas);
  }
  return grown(value, []);
}

test("however an answer is streamed and cut, it folds to the answer that comes whole", () => {
  const usage = { input_tokens: 7, output_tokens: 5 };
  const scene = fc.tuple(fc.array(block, { maxLength: 5 }), fc.integer({ min: 1, max: 9 })).chain(([blocks, size]) => {
    const bytes = toSse([
      { type: "message_start", message: { id: "msg_1", model: "claude-sonnet-4-5", content: [], usage } },
      ...blocks.flatMap((value, index) => toEvents(value, index, size)),
      { type: "message_delta", delta: { stop_reason: "end_turn" }, usage },
      stop,
    ]);
    return fc.tuple(fc.constant(blocks), cuttings(bytes));
  });
  fc.assert(
    fc.property(scene, ([blocks, pieces]) => {
      const whole = toWhole({ content: blocks, stop_reason: "end_turn", usage });
      expect(readStream(chat, pieces).completion).toEqual(whole);
    }),
  );
});

test("an answer goes back to Anthropic as it came", () => {
  const blocks = fc.array(block, { minLength: 1, maxLength: 5 }).filter((list) => !endsInSpace(list));
  fc.assert(
    fc.property(blocks, (list) => {
      expect(sentBack(toWhole({ content: list, stop_reason: "end_turn" }).parts)).toEqual(list);
    }),
  );
});

/** The API refuses blank texts, and space at the end of a prefill: those are not sent. */
function endsInSpace(blocks: readonly Json[]): boolean {
  const texts = blocks.map((value) => value["text"]).filter((text) => typeof text === "string");
  return texts.some((text) => text.trim() === "" || text !== text.trimEnd());
}
