import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { CompleteRequestSchema, type Part, ReasoningEffort, Role } from "../../contract.ts";
import type { Completion } from "../../domain/completion.ts";
import type { ReadContext } from "../provider.ts";
import { createMistralProvider } from "./index.ts";

type Json = Readonly<Record<string, unknown>>;
type Shape = Omit<MessageInitShape<typeof CompleteRequestSchema>, "$typeName">;

const provider = createMistralProvider({ id: "eu", kind: "mistral" });
const chat = provider.chat ?? never();
const context: ReadContext = {
  model: "mistral-small-latest",
  callIdSeed: "made_",
  includeProviderMetadata: false,
  includeAllSafetyFindings: false,
};

function never(): never {
  throw new Error("the provider has no chat");
}

function toWhole(choice: Json, rest: Json = {}): Completion {
  const answer = { id: "a", choices: [{ index: 0, finish_reason: "stop", ...choice }], ...rest };
  return chat.fromHttpResponse({ status: 200, headers: {}, body: Buffer.from(JSON.stringify(answer)) }, context);
}

function translate(shape: Shape, model = "mistral-small-latest") {
  const request = create(CompleteRequestSchema, { model: "m", ...shape });
  const translation = chat.toHttpRequest(request, "unary", { model, facts: {} });
  if (translation.kind !== "request") throw new Error(JSON.stringify(translation));
  const { body } = translation.request;
  return { body: JSON.parse(String(body)), warnings: translation.warnings.map(({ field }) => field) };
}

const text = (value: string) => ({ content: { case: "text" as const, value: { text: value } } });
const hello = { role: Role.USER, parts: [text("Hello")] };

test("thinking goes back within the content, as it came", () => {
  const content = [
    { type: "thinking", thinking: [{ type: "text", text: "hm" }] },
    { type: "text", text: "8" },
  ];
  const parts: Part[] = [...toWhole({ message: { role: "assistant", content } }).parts];
  const { body, warnings } = translate({ messages: [hello, { role: Role.ASSISTANT, parts }, hello] });
  expect(body.messages[1]).toEqual({ role: "assistant", content });
  expect(warnings).toEqual([]);
});

test("an answer that ends in an error is a failure, whole and streamed", () => {
  expect(() => toWhole({ message: { content: "Hel" }, finish_reason: "error" })).toThrow(
    expect.objectContaining({ kind: "unavailable" }),
  );
  const reader = chat.createReader(context);
  const data = JSON.stringify({ choices: [{ index: 0, delta: { content: "Hel" }, finish_reason: "error" }] });
  reader.read({ name: "", data, origin: "event" });
  expect(() => reader.finish()).toThrow(expect.objectContaining({ kind: "unavailable" }));
});

test("tokens of audio are counted into the input", () => {
  const usage = {
    prompt_tokens: 11,
    completion_tokens: 15,
    total_tokens: 401,
    prompt_tokens_details: { audio_tokens: 375, cached_tokens: 9 },
  };
  expect(toWhole({ message: { content: "x" } }, { usage }).usage).toMatchObject({
    inputTokens: 386,
    audioInputTokens: 375,
    cacheReadInputTokens: 9,
    outputTokens: 15,
  });
});

test("an answer to continue is marked, one that ends in calls is not", () => {
  const begun = { role: Role.ASSISTANT, parts: [text("1, 2,")] };
  expect(translate({ messages: [hello, begun] }).body.messages[1]).toEqual({
    role: "assistant",
    content: "1, 2,",
    prefix: true,
  });
  expect(translate({ messages: [begun, hello] }).body.messages[0].prefix).toBeUndefined();
  expect(chat.continues?.("mistral-small-latest")).toBe(true);
});

test("a user message right after tool results gets a short answer before it", () => {
  const call = { case: "toolCall" as const, value: { callId: "c", name: "time", argumentsJson: "{}" } };
  const result = { case: "toolResult" as const, value: { callId: "c", content: [text("noon")] } };
  const { body, warnings } = translate({
    messages: [
      hello,
      { role: Role.ASSISTANT, parts: [{ content: call }] },
      { role: Role.TOOL, parts: [{ content: result }] },
      hello,
    ],
  });
  expect(body.messages.map(({ role }: { role: string }) => role)).toEqual([
    "user",
    "assistant",
    "tool",
    "assistant",
    "user",
  ]);
  expect(warnings).toContain("messages");
});

test("efforts are on or off, and Magistral always reasons", () => {
  expect(translate({ messages: [hello], reasoning: { effort: ReasoningEffort.LOW } }).body.reasoning_effort).toBe(
    "high",
  );
  expect(translate({ messages: [hello], reasoning: { budgetTokens: 0 } }).body.reasoning_effort).toBe("none");
  const magistral = translate({ messages: [hello], reasoning: { effort: ReasoningEffort.NONE } }, "magistral-medium");
  expect(magistral.body.reasoning_effort).toBeUndefined();
  expect(magistral.warnings).toEqual(["reasoning.effort"]);
});

test("own options go through as they are", () => {
  const providerOptions = { mistral: { safe_prompt: true, prediction: { type: "content", content: "x" } } };
  expect(translate({ messages: [hello], providerOptions }).body).toMatchObject(providerOptions.mistral);
});

test.each([
  [400, { object: "error", message: "Invalid model: x", type: "invalid_model", code: "1500" }, "rejected-request"],
  [401, { detail: "Unauthorized" }, "credentials-rejected"],
  [
    422,
    { object: "error", message: { detail: [{ msg: "field required" }] }, type: "invalid_request" },
    "rejected-request",
  ],
  [
    400,
    { message: "Prompt contains 70000 tokens, too large for model with 32768 maximum context length" },
    "context-length",
  ],
])("%i %j", (status, body, kind) => {
  const failure = provider.toFailure(status, {}, Buffer.from(JSON.stringify(body)));
  expect(failure.kind).toBe(kind);
  expect(failure.facts.providerMessage).toBeTruthy();
});
