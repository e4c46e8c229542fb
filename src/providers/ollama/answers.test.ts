// Answers as Ollama sends them, whole and streamed.
import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { CompleteRequestSchema, FinishReason, type Part, Role } from "../../contract.ts";
import type { Completion } from "../../domain/completion.ts";
import { foldEvent } from "../../domain/fold.ts";
import type { ReadContext } from "../provider.ts";
import { createOllamaProvider } from "./index.ts";

type Json = Readonly<Record<string, unknown>>;

const chat = createOllamaProvider({ id: "local", kind: "ollama" }).chat ?? never();
const context: ReadContext = {
  model: "qwen3:4b",
  callIdSeed: "made_",
  includeProviderMetadata: true,
  includeAllSafetyFindings: false,
};
const end = { done: true, done_reason: "stop", prompt_eval_count: 4, eval_count: 2, total_duration: 9 };

function never(): never {
  throw new Error("the provider has no chat");
}

function toWhole(message: Json, rest: Json = end): Completion {
  const answer = { model: "qwen3:4b", message: { role: "assistant", ...message }, ...rest };
  return chat.fromHttpResponse({ status: 200, headers: {}, body: Buffer.from(JSON.stringify(answer)) }, context);
}

function stream(lines: readonly Json[]): Completion {
  const reader = chat.createReader(context);
  const parts: Part[] = [];
  for (const line of lines) {
    const data = JSON.stringify({ model: "qwen3:4b", ...line });
    for (const read of reader.read({ name: "", data, origin: "event" })) foldEvent(parts, read);
  }
  const last = reader.finish();
  for (const read of last.events) foldEvent(parts, read);
  return { ...last.facts, parts };
}

function line(message: Json): Json {
  return { message: { role: "assistant", content: "", ...message }, done: false };
}

test("a stream folds to the whole answer, however it is cut", () => {
  const word = fc.string({ maxLength: 12, unit: "grapheme" });
  const args = fc.dictionary(word, fc.oneof(word, fc.integer()), { maxKeys: 3 });
  const calls = fc.array(fc.record({ function: fc.record({ name: fc.string({ minLength: 1 }), arguments: args }) }));
  fc.assert(
    fc.property(word, word, calls, (thinking, content, toolCalls) => {
      const lines = [
        ...[...thinking].map((letter) => line({ thinking: letter })),
        ...[...content].map((letter) => line({ content: letter })),
        ...toolCalls.map((call) => line({ tool_calls: [call] })),
        { message: { role: "assistant", content: "" }, ...end },
      ];
      expect(stream(lines)).toEqual(toWhole({ thinking, content, tool_calls: toolCalls }));
    }),
    { numRuns: 200 },
  );
});

test("calls without ids get some that differ, arguments become text, and the end is one for calls", () => {
  const call = { function: { name: "weather", arguments: { city: "Rome" } } };
  const { parts, finishReason, providerFinishReason } = toWhole({ content: "", tool_calls: [call, call] });
  expect(parts.map(({ content }) => content.value)).toMatchObject([
    { callId: "made_0", argumentsJson: '{"city":"Rome"}' },
    { callId: "made_1", argumentsJson: '{"city":"Rome"}' },
  ]);
  expect([finishReason, providerFinishReason]).toEqual([FinishReason.TOOL_CALLS, "stop"]);
});

test("an answer goes back as it came", () => {
  const call = { id: "c1", function: { name: "weather", arguments: { city: "Rome" } } };
  const message = { content: "I look.", thinking: "hm", tool_calls: [call] };
  const messages = [{ role: Role.ASSISTANT, parts: [...toWhole(message).parts] }];
  const request = create(CompleteRequestSchema, { model: "m", messages });
  const translation = chat.toHttpRequest(request, "unary", { model: "m", facts: {} });
  if (translation.kind !== "request") throw new Error("the answer cannot be sent back");
  expect(translation.warnings).toEqual([]);
  expect(JSON.parse(String(translation.request.body)).messages).toEqual([{ role: "assistant", ...message }]);
});

test("counts and durations are those of the last line; a missing count is unknown", () => {
  const completion = toWhole({ content: "Hi" });
  expect(completion.usage).toMatchObject({ inputTokens: 4, outputTokens: 2 });
  expect(completion.providerMetadata).toEqual({ ollama: { total_duration: 9 } });
  const older = toWhole({ content: "Hi" }, { done: true, eval_count: 2 });
  expect(older.usage?.inputTokens).toBeUndefined();
  expect(older.finishReason).toBe(FinishReason.UNSPECIFIED);
});

test("an error in a line, and a stream without its last line, are failures", () => {
  expect(() => stream([line({ content: "Hi" }), { error: "out of memory" }])).toThrow(
    expect.objectContaining({ kind: "unavailable" }),
  );
  expect(() => stream([line({ content: "Hi" })])).toThrow(expect.objectContaining({ kind: "interrupted" }));
  expect(() => toWhole({ content: "Hi" }, { done: false })).toThrow(expect.objectContaining({ kind: "bad-response" }));
});

test("log probabilities come with their token", () => {
  const logprobs = [{ token: "Hi", logprob: -0.5, bytes: [72, 105], top_logprobs: [{ token: "Ho", logprob: -1 }] }];
  const { parts } = stream([
    { ...line({ content: "Hi" }), logprobs },
    { message: { content: "" }, ...end },
  ]);
  expect(parts[0]?.content.value).toMatchObject({
    logprobs: [{ token: "Hi", logprob: -0.5, topLogprobs: [{ token: "Ho", logprob: -1 }] }],
  });
});

test("settings of the runner that the caller gives lie over the translated ones", () => {
  const request = create(CompleteRequestSchema, {
    model: "m",
    messages: [{ role: Role.USER, parts: [{ content: { case: "text", value: { text: "Hi" } } }] }],
    sampling: { temperature: 0, maxOutputTokens: 5 },
    providerOptions: { ollama: { options: { num_ctx: 8192, temperature: 0.3 }, keep_alive: "5m" } },
  });
  const translation = chat.toHttpRequest(request, "unary", { model: "m", facts: {} });
  if (translation.kind !== "request") throw new Error("not translated");
  expect(JSON.parse(String(translation.request.body))).toMatchObject({
    options: { num_predict: 5, temperature: 0.3, num_ctx: 8192 },
    keep_alive: "5m",
    stream: false,
  });
});
