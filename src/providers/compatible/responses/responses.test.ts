// The Responses API, request and answer: what is read has to go back as it came.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import {
  CompleteRequestSchema,
  FinishReason,
  type Part,
  ReasoningEffort,
  ReasoningVisibility,
  Role,
  ToolMode,
  WarningKind,
} from "../../../contract.ts";
import type { Completion } from "../../../domain/completion.ts";
import { foldEvent } from "../../../domain/fold.ts";
import { ProviderFailure } from "../../../domain/provider-failure.ts";
import type { ChatOperation, Translation } from "../../provider.ts";
import { createProvider } from "../../registry.ts";

type RequestInit = MessageInitShape<typeof CompleteRequestSchema>;

const context = { model: "m", callIdSeed: "made_", includeProviderMetadata: false, includeAllSafetyFindings: false };

/** One item of every kind that the contract models, as OpenAI sends them. */
const output = [
  {
    id: "rs_1",
    type: "reasoning",
    summary: [
      { type: "summary_text", text: "First." },
      { type: "summary_text", text: "Then." },
    ],
    encrypted_content: "cipher",
  },
  { id: "ws_1", type: "web_search_call", status: "completed", action: { type: "search", query: "q" } },
  {
    id: "msg_1",
    type: "message",
    role: "assistant",
    status: "completed",
    phase: "commentary",
    content: [{ type: "output_text", text: "é cited", annotations: [], logprobs: [] }],
  },
  {
    id: "fc_1",
    type: "function_call",
    status: "completed",
    call_id: "call_1",
    name: "f",
    arguments: '{ "a": 1 }',
    namespace: "n",
  },
  { id: "ctc_1", type: "custom_tool_call", status: "completed", call_id: "call_2", name: "sql", input: "select 1" },
  { id: "x_1", type: "compaction", encrypted_content: "zip" },
];

it("reads a stream and a whole answer alike", () => {
  expect(readStream(eventsOf(output)).parts).toEqual(readWhole({ status: "completed", output }).parts);
});

it("reads a stream without deltas, and one with nothing but its last event, alike too", () => {
  const done = output.map((item, output_index) => ({ type: "response.output_item.done", output_index, item }));
  const last = { type: "response.completed", response: { status: "completed", output } };
  const whole = readWhole({ status: "completed", output }).parts;
  expect(readStream([...done, last]).parts).toEqual(whole);
  expect(readStream([last]).parts).toEqual(whole);
});

it("sends an answer back item by item, as it came", () => {
  const { parts } = readWhole({ status: "completed", output });
  const back = bodyOf({ messages: [{ role: Role.ASSISTANT, parts: [...parts] }] })["input"];
  expect(withoutNoise(back)).toEqual(withoutNoise(output));
});

it("sends an answer to another provider without ids and ciphertext", () => {
  const { parts } = readWhole({ status: "completed", output });
  for (const part of parts) if (part.state !== undefined) part.state.provider = "other";
  const request: RequestInit = { messages: [{ role: Role.ASSISTANT, parts: [...parts] }] };
  const text = JSON.stringify(bodyOf(request));
  expect(text).not.toMatch(/cipher|rs_1|msg_1|fc_1/);
  expect(text).toContain("é cited");
  expect(warningsOf(request).map(([kind]) => kind)).toContain(WarningKind.STATE_DROPPED);
});

it("leaves reasoning without ciphertext out where nothing is stored, and sends it where hosts want the text", () => {
  const item = { id: "rs_1", type: "reasoning", summary: [{ type: "summary_text", text: "why" }] };
  const { parts } = readWhole({ output: [item] });
  const messages = [{ role: Role.ASSISTANT, parts: [...parts] }];
  expect(bodyOf({ messages })["input"]).toEqual([]);
  for (const part of parts) if (part.state !== undefined) part.state.provider = "deepseek";
  const host = createProvider({ id: "d", kind: "openai-compatible", dialect: "deepseek", api: "responses" });
  const translation = host.chat?.toHttpRequest(toRequest({ messages }), "unary", { model: "m", facts: {} });
  expect(translation?.kind === "request" && JSON.parse(String(translation.request.body)).input).toEqual([item]);
});

describe("the answer", () => {
  it("has one part for each summary, and its ciphertext on the last", () => {
    const parts = readWhole({ status: "completed", output: output.slice(0, 1) }).parts;
    expect(parts.map((part) => [part.content.value, new TextDecoder().decode(part.state?.data)])).toMatchObject([
      [{ text: "First." }, ""],
      [{ text: "Then." }, "cipher"],
    ]);
  });

  it("counts the calls of tools that the provider ran", () => {
    const usage = { input_tokens: 5, output_tokens: 7, output_tokens_details: { reasoning_tokens: 3 } };
    expect(readWhole({ status: "completed", output, usage }).usage).toMatchObject({
      inputTokens: 5,
      reasoningOutputTokens: 3,
      providerToolCalls: { web_search: 1 },
    });
  });

  it("holds annotations once, in UTF-8 positions, whether they stream or not", () => {
    const annotation = { type: "url_citation", start_index: 2, end_index: 7, url: "https://x", title: "X" };
    const content = [{ type: "output_text", text: "é cited", annotations: [annotation] }];
    const item = { id: "m", type: "message", content };
    const events = [
      { type: "response.output_text.delta", output_index: 0, content_index: 0, delta: "é cited" },
      { type: "response.output_text.annotation.added", output_index: 0, content_index: 0, annotation },
      { type: "response.output_item.done", output_index: 0, item },
      { type: "response.completed", response: { status: "completed", output: [item] } },
    ];
    for (const parts of [readStream(events).parts, readWhole({ output: [item] }).parts]) {
      expect(parts[0]?.content.value).toMatchObject({ citations: [{ startByte: 3, endByte: 8, uri: "https://x" }] });
    }
  });

  it.each([
    [{ status: "completed", output: [] }, FinishReason.STOP],
    [{ status: "completed", output }, FinishReason.TOOL_CALLS],
    [{ status: "incomplete", incomplete_details: { reason: "max_output_tokens" }, output }, FinishReason.MAX_TOKENS],
    [
      { status: "incomplete", incomplete_details: { reason: "content_filter" }, output: [] },
      FinishReason.CONTENT_FILTER,
    ],
    [{ status: "queued", output: [] }, FinishReason.OTHER],
    [
      { status: "completed", output: [{ type: "message", content: [{ type: "refusal", refusal: "no" }] }] },
      FinishReason.REFUSAL,
    ],
  ])("ends %j", (response, reason) => {
    expect(readWhole(response).finishReason).toBe(reason);
  });

  it("draws images as parts that can come back", () => {
    const image = {
      id: "ig_1",
      type: "image_generation_call",
      status: "completed",
      result: "AQI=",
      output_format: "webp",
    };
    const { parts } = readWhole({ status: "completed", output: [image] });
    expect(parts[0]?.content.value).toMatchObject({
      mediaType: "image/webp",
      source: { value: new Uint8Array([1, 2]) },
    });
    const input = bodyOf({ messages: [{ role: Role.ASSISTANT, parts: [...parts] }] })["input"];
    expect(input).toEqual([{ id: "ig_1", type: "image_generation_call", status: "completed", result: "AQI=" }]);
  });

  it.each([
    { type: "error", code: "server_error", message: "m" },
    { type: "response.failed", response: { status: "failed", error: { code: "server_error", message: "m" } } },
    { error: { message: "m" } },
  ])("that fails is a failure: %j", (event) => {
    expect(() => readStream([event])).toThrow(ProviderFailure);
  });

  it("that stops without its last event was interrupted", () => {
    const events = [{ type: "response.output_text.delta", output_index: 0, content_index: 0, delta: "a" }];
    expect(() => readStream(events)).toThrow(expect.objectContaining({ kind: "interrupted" }));
  });
});

describe("the request", () => {
  it("stores nothing, and asks for what has to come back", () => {
    expect(bodyOf({})).toMatchObject({ store: false, include: ["reasoning.encrypted_content"] });
    expect(bodyOf({ sampling: { topLogprobs: 0 } })).toMatchObject({
      top_logprobs: 0,
      include: ["reasoning.encrypted_content", "message.output_text.logprobs"],
    });
    expect(bodyOf({ sampling: { topLogprobs: 0 } })).not.toHaveProperty("logprobs");
  });

  it("puts parameters where this API has them", () => {
    const request: RequestInit = {
      sampling: { maxOutputTokens: 5, verbosity: 1 },
      reasoning: { effort: ReasoningEffort.LOW, visibility: ReasoningVisibility.SUMMARY },
      responseFormat: { format: { case: "jsonObject", value: {} } },
    };
    expect(bodyOf(request)).toMatchObject({
      max_output_tokens: 5,
      text: { format: { type: "json_object" }, verbosity: "low" },
      reasoning: { effort: "low", summary: "auto" },
    });
  });

  it("names what this API lacks", () => {
    expect(warningsOf({ sampling: { seed: 1n, stopSequences: ["x"] } })).toEqual([
      [WarningKind.PARAMETER_DROPPED, "sampling.seed"],
      [WarningKind.PARAMETER_DROPPED, "sampling.stop_sequences"],
    ]);
  });

  it("answers calls with free text by their own kind of output, and keeps media in outputs", () => {
    const image = { content: { case: "image", value: { source: { case: "uri", value: "https://x" } } } } as const;
    const text = { content: { case: "text", value: { text: "ok" } } } as const;
    const request: RequestInit = {
      messages: [
        {
          role: Role.ASSISTANT,
          parts: [
            { content: { case: "toolCall", value: { callId: "c1", name: "sql", argumentsJson: "x", freeForm: true } } },
          ],
        },
        {
          role: Role.TOOL,
          parts: [
            { content: { case: "toolResult", value: { callId: "c1", content: [text] } } },
            { content: { case: "toolResult", value: { callId: "c2", content: [text, image] } } },
          ],
        },
      ],
    };
    expect(bodyOf(request)["input"]).toMatchObject([
      { type: "custom_tool_call", call_id: "c1", input: "x" },
      { type: "custom_tool_call_output", call_id: "c1", output: "ok" },
      { type: "function_call_output", call_id: "c2", output: [{ type: "input_text" }, { type: "input_image" }] },
    ]);
  });

  it("forces and limits tools in this API's own form", () => {
    const tools: RequestInit["tools"] = [
      { kind: { case: "function", value: { name: "f" } } },
      { kind: { case: "provider", value: { type: "code_execution" } } },
    ];
    const toolChoice = { mode: ToolMode.REQUIRED, allowedTools: ["f"] };
    expect(bodyOf({ tools, toolChoice })).toMatchObject({
      tools: [
        { type: "function", name: "f" },
        { type: "code_interpreter", container: { type: "auto" } },
      ],
      tool_choice: { type: "function", name: "f" },
    });
    const limited = { mode: ToolMode.AUTO, allowedTools: ["f", "code_execution"] };
    expect(bodyOf({ tools, toolChoice: limited })["tool_choice"]).toMatchObject({
      type: "allowed_tools",
      mode: "auto",
    });
  });
});

it("counts tokens of either API at OpenAI", () => {
  const count = createProvider({ id: "o", kind: "openai" }).countTokens;
  const translation = count?.toHttpRequest(toRequest({ sampling: { temperature: 0 } }), { model: "m", facts: {} });
  expect(translation?.kind === "request" && translation.request).toMatchObject({ path: "/v1/responses/input_tokens" });
  expect(translation?.kind === "request" && JSON.parse(String(translation.request.body))).toEqual({
    model: "m",
    input: [{ role: "user", content: "hi" }],
  });
  const bytes = (text: string) => ({ status: 200, headers: {}, body: new TextEncoder().encode(text) });
  expect(count?.fromHttpResponse(bytes('{"input_tokens":7}'))).toBe(7);
  expect(() => count?.fromHttpResponse(bytes('{"input_tokens":-7}'))).toThrow(ProviderFailure);
});

function chat(): ChatOperation {
  const operation = createProvider({ id: "o", kind: "openai", api: "responses" }).chat;
  if (operation === undefined) throw new Error("no chat");
  return operation;
}

function toRequest(request: RequestInit) {
  const whole = create(CompleteRequestSchema, request);
  const parts = [{ content: { case: "text", value: { text: "hi" } } } as const];
  if (whole.messages.length === 0)
    whole.messages = create(CompleteRequestSchema, { messages: [{ role: Role.USER, parts }] }).messages;
  return whole;
}

function translate(request: RequestInit): Translation {
  return chat().toHttpRequest(toRequest(request), "unary", { model: "m", facts: {} });
}

function bodyOf(request: RequestInit): Record<string, unknown> {
  const translation = translate(request);
  if (translation.kind === "unsupported") throw new Error(JSON.stringify(translation.violations));
  return JSON.parse(String(translation.request.body));
}

function warningsOf(request: RequestInit): [WarningKind, string][] {
  const translation = translate(request);
  return translation.kind === "request" ? translation.warnings.map(({ kind, field }) => [kind, field]) : [];
}

function readWhole(response: object): Completion {
  const body = new TextEncoder().encode(JSON.stringify(response));
  return chat().fromHttpResponse({ status: 200, headers: {}, body }, context);
}

function readStream(events: readonly object[]): Completion {
  const reader = chat().createReader(context);
  const parts: Part[] = [];
  for (const event of events) {
    for (const one of reader.read({ name: "", data: JSON.stringify(event), origin: "event" })) foldEvent(parts, one);
  }
  const end = reader.finish();
  for (const one of end.events) foldEvent(parts, one);
  return { ...end.facts, parts };
}

/** The stream that OpenAI would send for these items. */
function eventsOf(items: typeof output): object[] {
  const events = items.flatMap((item, output_index) => [
    {
      type: "response.output_item.added",
      output_index,
      item: { ...item, summary: [], content: [], arguments: "", input: "" },
    },
    ...deltasOf(item).map((delta) => ({ output_index, ...delta })),
    { type: "response.output_item.done", output_index, item },
  ]);
  return [
    { type: "response.created", response: { id: "r", status: "in_progress" } },
    ...events,
    { type: "response.completed", response: { id: "r", status: "completed", output: items } },
  ];
}

function deltasOf(item: (typeof output)[number]): object[] {
  const halves = (text: string) => [text.slice(0, 2), text.slice(2)];
  const args = item.arguments ?? "";
  return [
    ...(item.summary ?? []).flatMap(({ text }, summary_index) =>
      halves(text).map((delta) => ({ type: "response.reasoning_summary_text.delta", summary_index, delta })),
    ),
    ...(item.content ?? []).flatMap(({ text }, content_index) =>
      halves(text).map((delta) => ({ type: "response.output_text.delta", content_index, delta })),
    ),
    ...(args === "" ? [] : halves(args).map((delta) => ({ type: "response.function_call_arguments.delta", delta }))),
    ...(item.input === undefined
      ? []
      : halves(item.input).map((delta) => ({ type: "response.custom_tool_call_input.delta", delta }))),
  ];
}

/** Members that the provider fills in itself. */
function withoutNoise(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (name, member) =>
    ["status", "logprobs", "role"].includes(name) ? undefined : member,
  );
}
