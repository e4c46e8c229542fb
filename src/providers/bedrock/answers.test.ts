// Answers as Bedrock sends them, whole and streamed.
import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  CompleteRequestSchema,
  FinishReason,
  type Part,
  ReasoningKind,
  Role,
  SafetyAction,
  SafetySubject,
} from "../../contract.ts";
import type { Completion } from "../../domain/completion.ts";
import { foldEvent } from "../../domain/fold.ts";
import { ProviderFailure } from "../../domain/provider-failure.ts";
import type { ReadContext } from "../provider.ts";
import { createBedrockProvider } from "./index.ts";

type Json = Readonly<Record<string, unknown>>;

const model = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
const chat = createBedrockProvider({ id: "aws", kind: "bedrock", region: "us-east-1" }).chat ?? never();
const context: ReadContext = {
  model,
  callIdSeed: "made_",
  includeProviderMetadata: true,
  includeAllSafetyFindings: false,
};

function never(): never {
  throw new Error("the provider has no chat");
}

const usage = { inputTokens: 5, outputTokens: 3, totalTokens: 8 };

function toWhole(content: readonly Json[], stopReason = "end_turn", rest: Json = {}): Completion {
  const answer = { output: { message: { role: "assistant", content } }, stopReason, usage, ...rest };
  return chat.fromHttpResponse({ status: 200, headers: {}, body: Buffer.from(JSON.stringify(answer)) }, context);
}

type Frame = readonly [name: string, payload: Json];

function stream(frames: readonly Frame[], readWith: ReadContext = context): Completion {
  const reader = chat.createReader(readWith);
  const parts: Part[] = [];
  for (const [name, payload] of frames) {
    const event = { name, data: JSON.stringify({ ...payload, p: "abc" }), origin: "event" } as const;
    for (const read of reader.read(event)) foldEvent(parts, read);
  }
  const end = reader.finish();
  for (const read of end.events) foldEvent(parts, read);
  return { ...end.facts, parts };
}

function delta(index: number, change: Json): Frame {
  return ["contentBlockDelta", { contentBlockIndex: index, delta: change }];
}

function stop(index: number): Frame {
  return ["contentBlockStop", { contentBlockIndex: index }];
}

function start(index: number, block: Json): Frame {
  return ["contentBlockStart", { contentBlockIndex: index, start: block }];
}

function ended(reason = "end_turn", rest: Json = {}): readonly Frame[] {
  return [
    ["messageStop", { stopReason: reason }],
    ["metadata", { usage, metrics: { latencyMs: 1 }, ...rest }],
  ];
}

/** What the next request sends back of an answer. */
function sentBack(parts: readonly Part[]): unknown {
  const messages = [{ role: Role.ASSISTANT, parts: [...parts] }];
  const request = create(CompleteRequestSchema, { model: "m", messages });
  const translation = chat.toHttpRequest(request, "unary", { model, facts: {} });
  if (translation.kind !== "request") throw new Error("the answer cannot be sent back");
  expect(translation.warnings).toEqual([]);
  return JSON.parse(String(translation.request.body)).messages[0]?.content;
}

test.each([
  ["text", { text: "Hi" }],
  ["signed reasoning", { reasoningContent: { reasoningText: { text: "hm", signature: "c2ln" } } }],
  ["redacted reasoning", { reasoningContent: { redactedContent: "c2VjcmV0" } }],
  ["a call", { toolUse: { toolUseId: "t1", name: "weather", input: { city: "Rome" } } }],
  ["a call without parameters", { toolUse: { toolUseId: "t1", name: "time", input: {} } }],
  [
    "a call of a tool that Bedrock runs",
    { toolUse: { toolUseId: "t1", name: "nova_grounding", input: { query: "x" }, type: "server_tool_use" } },
  ],
  [
    "the result of a tool that Bedrock runs",
    { toolResult: { toolUseId: "t1", content: [{ json: { n: 1 } }], status: "success", type: "nova_result" } },
  ],
  [
    "cited text",
    {
      citationsContent: {
        content: [{ text: "20 days" }],
        citations: [
          { title: "policy", sourceContent: [{ text: "s" }], location: { documentChar: { documentIndex: 0 } } },
        ],
      },
    },
  ],
  ["a kind that is newer than this program", { novelty: { a: 1 } }],
])("%s goes back as it came", (_, block) => {
  expect(sentBack(toWhole([block]).parts)).toEqual([block]);
});

test("a stream of blocks folds to the whole answer, however they are cut into deltas", () => {
  fc.assert(
    fc.property(
      fc.array(anyBlock(), { maxLength: 5 }),
      fc.infiniteStream(fc.integer({ min: 1, max: 4 })),
      (blocks, sizes) => {
        const frames = blocks.flatMap((block, index) => toFrames(block, index, () => sizes.next().value ?? 1));
        expect(stream([["messageStart", { role: "assistant" }], ...frames, ...ended()])).toEqual(
          toWhole(blocks, "end_turn", { metrics: { latencyMs: 1 } }),
        );
      },
    ),
    { numRuns: 200 },
  );
});

function anyBlock(): fc.Arbitrary<Json> {
  const word = fc.string({ minLength: 1, maxLength: 12, unit: "grapheme" });
  const input = fc.dictionary(word, fc.oneof(word, fc.integer(), fc.boolean()), { maxKeys: 3 });
  return fc.oneof(
    word.map((text) => ({ text })),
    fc.record({ text: word, signature: word }).map((reasoningText) => ({ reasoningContent: { reasoningText } })),
    fc.record({ toolUseId: word, name: word, input }).map((toolUse) => ({ toolUse })),
    fc.record({ toolUseId: word, content: fc.array(fc.record({ json: input })) }).map((toolResult) => ({ toolResult })),
  );
}

/** As ConverseStream would send the block. */
function toFrames(block: Json, index: number, size: () => number): readonly Frame[] {
  const [kind = "", value] = Object.entries(block)[0] ?? [];
  const pieces = (text: string): readonly string[] => {
    const letters = [...text];
    const cut: string[] = [];
    while (letters.length > 0) cut.push(letters.splice(0, size()).join(""));
    return cut;
  };
  if (kind === "text") return [...pieces(String(value)).map((text) => delta(index, { text })), stop(index)];
  const { input, content, reasoningText, ...rest } = Object(value);
  if (kind === "toolUse") {
    const inputs = pieces(JSON.stringify(input)).map((piece) => delta(index, { toolUse: { input: piece } }));
    return [start(index, { toolUse: rest }), ...inputs, stop(index)];
  }
  if (kind === "toolResult") {
    return [start(index, { toolResult: rest }), delta(index, { toolResult: content }), stop(index)];
  }
  return [
    ...pieces(reasoningText.text).map((text) => delta(index, { reasoningContent: { text } })),
    delta(index, { reasoningContent: { signature: reasoningText.signature } }),
    stop(index),
  ];
}

test("counts come after the stop and are waited for", () => {
  const reader = chat.createReader(context);
  reader.read({ name: "messageStop", data: '{"stopReason":"end_turn"}', origin: "event" });
  expect(reader.isDone()).toBe(false);
  reader.read({ name: "metadata", data: JSON.stringify({ usage }), origin: "event" });
  expect(reader.isDone()).toBe(true);
  expect(reader.finish().facts.usage).toMatchObject({ inputTokens: 5, outputTokens: 3 });
});

test("counts that come before the stop do not end the stream", () => {
  const { parts } = stream([["metadata", { usage }], delta(0, { text: "late" }), stop(0), ...ended()]);
  expect(parts[0]?.content.value).toMatchObject({ text: "late" });
});

test("a stream without its stop is interrupted, and one without counts is not", () => {
  expect(() => stream([delta(0, { text: "Hi" })])).toThrow(expect.objectContaining({ kind: "interrupted" }));
  const completion = stream([delta(0, { text: "Hi" }), stop(0), ["messageStop", { stopReason: "end_turn" }]]);
  expect(completion).toMatchObject({ finishReason: FinishReason.STOP, usage: undefined });
});

test("an exception within the stream ends it", () => {
  const reader = chat.createReader(context);
  expect(() => reader.read({ name: "throttlingException", data: "{}", origin: "exception" })).toThrow(ProviderFailure);
});

test("what the cache read and wrote is a part of the input", () => {
  const cached = {
    inputTokens: 12,
    outputTokens: 1,
    cacheReadInputTokens: 1000,
    cacheWriteInputTokens: 30,
    cacheDetails: [
      { ttl: "1h", inputTokens: 20 },
      { ttl: "5m", inputTokens: 10 },
    ],
  };
  expect(toWhole([{ text: "x" }], "end_turn", { usage: cached }).usage).toMatchObject({
    inputTokens: 1042,
    cacheReadInputTokens: 1000,
    cacheWriteInputTokens: 30,
    cacheWrites: [
      { ttl: { seconds: 3600n }, inputTokens: 20 },
      { ttl: { seconds: 300n }, inputTokens: 10 },
    ],
  });
});

test("a call without an id gets one", () => {
  const completion = stream([start(0, { toolUse: { name: "time" } }), stop(0), ...ended("tool_use")]);
  expect(completion.finishReason).toBe(FinishReason.TOOL_CALLS);
  expect(completion.parts[0]?.content).toMatchObject({
    case: "toolCall",
    value: { callId: "made_0", name: "time", argumentsJson: "{}" },
  });
});

test("Claude's signatures are Anthropic's, everything else is Bedrock's own", () => {
  const block = { reasoningContent: { reasoningText: { text: "hm", signature: "s" } } };
  expect(toWhole([block]).parts[0]).toMatchObject({
    content: { case: "reasoning", value: { kind: ReasoningKind.SUMMARY } },
    state: { provider: "anthropic" },
  });
  const frames = [delta(0, { reasoningContent: { text: "hm" } }), stop(0), ...ended()];
  expect(stream(frames, { ...context, model: "qwen.qwen3-32b-v1:0" }).parts[0]).toMatchObject({
    content: { case: "reasoning", value: { kind: ReasoningKind.FULL } },
    state: { provider: "aws.bedrock" },
  });
});

test("a guardrail's findings are told, the words that it found are not", () => {
  const trace = {
    guardrail: {
      modelOutput: ["call 555 0199"],
      inputAssessment: { g1: { topicPolicy: { topics: [{ name: "Loans", type: "DENY", action: "NONE" }] } } },
      outputAssessments: {
        g1: [
          {
            sensitiveInformationPolicy: { piiEntities: [{ type: "PHONE", match: "555 0199", action: "ANONYMIZED" }] },
            contentPolicy: { filters: [{ type: "HATE", confidence: "HIGH", action: "BLOCKED" }] },
          },
        ],
      },
    },
  };
  const completion = toWhole([{ text: "call {PHONE}" }], "guardrail_intervened", { trace });
  expect(completion.finishReason).toBe(FinishReason.GUARDRAIL);
  expect(completion.safetyFindings).toMatchObject([
    { source: "g1", category: "hate", severity: "HIGH", subject: SafetySubject.OUTPUT, action: SafetyAction.BLOCKED },
    { source: "g1", category: "pii.phone", subject: SafetySubject.OUTPUT, action: SafetyAction.REDACTED },
  ]);
  expect(JSON.stringify([completion.safetyFindings, completion.providerMetadata])).not.toContain("555");
  const all = stream([delta(0, { text: "x" }), stop(0), ...ended("guardrail_intervened", { trace })], {
    ...context,
    includeAllSafetyFindings: true,
  });
  expect(all.safetyFindings.map(({ category }) => category)).toContain("topic.loans");
});

test("citations say where in which document", () => {
  const citation = {
    title: "policy",
    sourceContent: [{ text: "20 days. " }],
    location: { documentPage: { documentIndex: 1, start: 3, end: 4 } },
  };
  const { parts } = stream([delta(0, { citation }), delta(0, { text: "20" }), stop(0), ...ended()]);
  expect(parts[0]?.content.value).toMatchObject({
    text: "20",
    citations: [
      {
        title: "policy",
        citedText: "20 days. ",
        documentIndex: 1,
        sourceStart: 3,
        sourceEnd: 4,
        sourceUnit: "page",
      },
    ],
  });
});
