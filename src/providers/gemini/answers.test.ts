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
  SafetySubject,
} from "../../contract.ts";
import type { Completion } from "../../domain/completion.ts";
import { cuttings } from "../../wire/cuttings.ts";
import type { ReadContext } from "../provider.ts";
import { createGeminiProvider } from "./index.ts";

type Json = Readonly<Record<string, unknown>>;

const chat = createGeminiProvider({ id: "google-ai", kind: "gemini" }).chat ?? never();
const encoder = new TextEncoder();

function never(): never {
  throw new Error("the provider has no chat");
}

function toWhole(answer: unknown, context: ReadContext = readContext): Completion {
  return chat.fromHttpResponse({ status: 200, headers: {}, body: encoder.encode(JSON.stringify(answer)) }, context);
}

function toSse(chunks: readonly Json[]): Uint8Array {
  return encoder.encode(chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\r\n\r\n`).join(""));
}

function stream(chunks: readonly Json[]): Completion {
  return readStream(chat, [toSse(chunks)]).completion;
}

function chunk(parts: readonly Json[], candidate: Json = {}): Json {
  return { candidates: [{ content: { role: "model", parts }, ...candidate }] };
}

const finished = { finishReason: "STOP" };

function contents(parts: readonly Part[]) {
  return parts.map((part) => part.content);
}

/** What the next request sends back of an answer. */
function sentBack(parts: readonly Part[]): unknown {
  const messages = [{ role: Role.ASSISTANT, parts: [...parts] }];
  const request = create(CompleteRequestSchema, { model: "m", messages });
  const translation = chat.toHttpRequest(request, "unary", { model: "gemini-2.5-flash", facts: {} });
  if (translation.kind !== "request") throw new Error("the answer cannot be sent back");
  expect(translation.warnings).toEqual([]);
  return JSON.parse(String(translation.request.body)).contents[0]?.parts;
}

test("thoughts are counted with the output, and tokens that tools added with the input", () => {
  const usageMetadata = {
    promptTokenCount: 100,
    cachedContentTokenCount: 40,
    candidatesTokenCount: 10,
    thoughtsTokenCount: 5,
    toolUsePromptTokenCount: 30,
    totalTokenCount: 145,
    promptTokensDetails: [
      { modality: "TEXT", tokenCount: 80 },
      { modality: "AUDIO", tokenCount: 20 },
    ],
    candidatesTokensDetails: [{ modality: "IMAGE", tokenCount: 8 }],
  };
  const groundingMetadata = { webSearchQueries: ["a", "b"] };
  expect(
    toWhole({ ...chunk([{ text: "Hi" }], { ...finished, groundingMetadata }), usageMetadata }).usage,
  ).toMatchObject({
    inputTokens: 130,
    outputTokens: 15,
    cacheReadInputTokens: 40,
    reasoningOutputTokens: 5,
    toolInputTokens: 30,
    audioInputTokens: 20,
    imageOutputTokens: 8,
    providerToolCalls: { web_search: 2 },
  });
});

test("of cumulative counts the last ones stand, and unknown ones stay unknown", () => {
  const completion = stream([
    { ...chunk([{ text: "a" }]), usageMetadata: { promptTokenCount: 4, totalTokenCount: 4 } },
    { ...chunk([{ text: "b" }], finished), usageMetadata: { promptTokenCount: 4, candidatesTokenCount: 2 } },
  ]);
  expect(completion.usage).toMatchObject({ inputTokens: 4, outputTokens: 2 });
  expect(completion.usage?.cacheReadInputTokens).toBeUndefined();
  expect(toWhole(chunk([{ text: "a" }], finished)).usage).toBeUndefined();
});

test("calls get ids where the API gives none, and make the reason to finish", () => {
  const call = { functionCall: { name: "now" } };
  const { parts, finishReason } = toWhole(chunk([call, call], finished));
  expect(contents(parts)).toMatchObject([
    { case: "toolCall", value: { callId: "call_made_0", name: "now", argumentsJson: "{}" } },
    { case: "toolCall", value: { callId: "call_made_1" } },
  ]);
  expect(finishReason).toBe(FinishReason.TOOL_CALLS);
});

test("signatures go back on the very part that they came with", () => {
  const parts = [
    { text: "Thinking.", thought: true },
    { text: "Hello" },
    { functionCall: { id: "fc_1", name: "now", args: { zone: "UTC" } }, thoughtSignature: "c2lnMQ==" },
    { functionCall: { name: "then", args: {} } },
    { text: "", thoughtSignature: "c2lnMg==" },
  ];
  const completion = stream([chunk(parts.slice(0, 3)), chunk(parts.slice(3), finished)]);
  expect(completion.parts[0]?.content).toMatchObject({ value: { kind: ReasoningKind.SUMMARY } });
  expect(sentBack(completion.parts)).toEqual(parts);
});

test("text that grows over chunks is one part, and a signed piece is one of its own", () => {
  const { parts } = stream([
    chunk([{ text: "One, " }]),
    chunk([{ text: "two" }, {}]),
    chunk([{ text: ", three", thoughtSignature: "c2ln" }]),
    chunk([{ text: ", four" }], finished),
  ]);
  const texts = contents(parts).map((content) => content.case === "text" && content.value.text);
  expect(texts).toEqual(["One, two", ", three", ", four"]);
  expect(parts.map((part) => part.state !== undefined)).toEqual([false, true, false]);
});

test("code that Google ran is a call with its result, and goes back as it came", () => {
  const parts = [
    { executableCode: { language: "PYTHON", code: "print(1)" }, thoughtSignature: "c2ln" },
    { codeExecutionResult: { outcome: "OUTCOME_FAILED", output: "boom" } },
  ];
  const completion = toWhole(chunk(parts, finished));
  expect(contents(completion.parts)).toMatchObject([
    { case: "toolCall", value: { callId: "call_made_0", name: "code_execution", providerExecuted: true } },
    { case: "toolResult", value: { callId: "call_made_0", isError: true, providerExecuted: true } },
  ]);
  expect(completion.finishReason).toBe(FinishReason.STOP);
  expect(sentBack(completion.parts)).toEqual(parts);
});

test("a kind of part that is newer than this program is kept and goes back", () => {
  const parts = [{ novelty: { x: 1 }, thoughtSignature: "c2ln" }];
  const completion = toWhole(chunk(parts, finished));
  expect(contents(completion.parts)).toMatchObject([
    { case: "provider", value: { provider: "gemini", kind: "novelty" } },
  ]);
  expect(sentBack(completion.parts)).toEqual(parts);
});

test("images come whole, and pieces of audio become one", () => {
  const audio = (data: string) => ({ inlineData: { mimeType: "audio/L16;rate=24000", data } });
  const image = { inlineData: { mimeType: "image/png", data: "aW1n" } };
  const { parts } = stream([chunk([image, image]), chunk([audio("QQ==")]), chunk([audio("Qg==")], finished)]);
  expect(contents(parts)).toMatchObject([
    { case: "image", value: { mediaType: "image/png", source: { value: encoder.encode("img") } } },
    { case: "image" },
    { case: "audio", value: { source: { value: encoder.encode("AB") } } },
  ]);
});

test("a source supports the bytes that its segment names, also behind an umlaut and in another chunk", () => {
  const groundingMetadata = {
    groundingChunks: [
      { web: { uri: "https://a", title: "A" } },
      { retrievedContext: { uri: "gs://b", title: "B", text: "t" } },
    ],
    groundingSupports: [
      { segment: { startIndex: 7, endIndex: 13, text: "Köln." }, groundingChunkIndices: [0, 1] },
      { segment: { endIndex: 900, text: "not there" }, groundingChunkIndices: [1] },
    ],
  };
  const { parts } = stream([
    chunk([{ text: "Über " }]),
    chunk([{ text: " Köln." }], { ...finished, groundingMetadata }),
  ]);
  const [text] = contents(parts);
  if (text?.case !== "text") throw new Error("no text");
  expect(text.value.citations).toMatchObject([
    { startByte: 7, endByte: 13, uri: "https://a", title: "A" },
    { startByte: 7, endByte: 13, uri: "gs://b", citedText: "t" },
    { uri: "gs://b" },
  ]);
  expect(Buffer.from(text.value.text).toString("utf8", 7, 13)).toBe("Köln.");
  expect(text.value.citations[2]?.startByte).toBeUndefined();
});

test("where a segment's numbers and words disagree, the words count", () => {
  const groundingMetadata = {
    groundingChunks: [{ web: { uri: "https://a" } }],
    groundingSupports: [{ segment: { startIndex: 0, endIndex: 3, text: "def" }, groundingChunkIndices: [0] }],
  };
  const { parts } = toWhole(chunk([{ text: "abcdef" }], { ...finished, groundingMetadata }));
  expect(contents(parts)).toMatchObject([{ value: { citations: [{ startByte: 3, endByte: 6 }] } }]);
});

test("a recited source stands on the text", () => {
  const citationMetadata = { citationSources: [{ startIndex: 0, endIndex: 3, uri: "https://a" }] };
  const { parts } = toWhole(chunk([{ text: "abcdef" }], { finishReason: "RECITATION", citationMetadata }));
  expect(contents(parts)).toMatchObject([{ value: { citations: [{ startByte: 0, endByte: 3, uri: "https://a" }] } }]);
});

test("log probabilities come with the text", () => {
  const token = { token: "Hi", logProbability: -0.5, tokenId: 7 };
  const logprobsResult = { chosenCandidates: [token], topCandidates: [{ candidates: [token] }] };
  const { parts } = toWhole(chunk([{ text: "Hi" }], { ...finished, logprobsResult }));
  expect(contents(parts)).toMatchObject([
    { value: { logprobs: [{ token: "Hi", logprob: -0.5, tokenId: 7, topLogprobs: [{ token: "Hi" }] }] } },
  ]);
});

test("a rating that acted is a finding; the others only when they are wanted", () => {
  const safetyRatings = [
    { category: "HARM_CATEGORY_HATE_SPEECH", probability: "HIGH", probabilityScore: 0.9, blocked: true },
    { category: "HARM_CATEGORY_NOVELTY", probability: "LOW" },
  ];
  const answer = { candidates: [{ finishReason: "SAFETY", safetyRatings }] };
  const blocked = {
    source: "gemini",
    category: "hate_speech",
    severity: "HIGH",
    score: 0.9,
    subject: SafetySubject.OUTPUT,
    action: SafetyAction.BLOCKED,
  };
  expect(toWhole(answer)).toMatchObject({ finishReason: FinishReason.CONTENT_FILTER, safetyFindings: [blocked] });
  const all = toWhole(answer, { ...readContext, includeAllSafetyFindings: true });
  expect(all.safetyFindings).toMatchObject([blocked, { category: "novelty", action: SafetyAction.UNSPECIFIED }]);
});

test("a blocked prompt is a failure, whole and streamed; output that is cut off is a result", () => {
  const block = { promptFeedback: { blockReason: "PROHIBITED_CONTENT" }, usageMetadata: { promptTokenCount: 3 } };
  const failure = expect.objectContaining({
    kind: "content-filtered",
    facts: expect.objectContaining({ providerCode: "PROHIBITED_CONTENT" }),
  });
  expect(() => toWhole(block)).toThrow(failure);
  expect(() => stream([block])).toThrow(failure);
  expect(stream([chunk([{ text: "So " }]), block])).toMatchObject({ finishReason: FinishReason.CONTENT_FILTER });
});

test.each([
  ["STOP", FinishReason.STOP],
  ["MAX_TOKENS", FinishReason.MAX_TOKENS],
  ["SPII", FinishReason.CONTENT_FILTER],
  ["IMAGE_SAFETY", FinishReason.CONTENT_FILTER],
  ["MODEL_ARMOR", FinishReason.GUARDRAIL],
  ["MALFORMED_FUNCTION_CALL", FinishReason.MALFORMED_OUTPUT],
  ["NOVELTY", FinishReason.OTHER],
])("the provider's word %s is kept beside ours", (word, finishReason) => {
  expect(toWhole({ candidates: [{ finishReason: word }] })).toMatchObject({ finishReason, providerFinishReason: word });
});

test("what has no field of its own is metadata, when it is wanted", () => {
  const answer = { ...chunk([{ text: "Hi" }], { ...finished, avgLogprobs: -1 }), createTime: "t" };
  const wanted = toWhole(answer, { ...readContext, includeProviderMetadata: true });
  expect(wanted.providerMetadata).toMatchObject({ gemini: { avgLogprobs: -1, createTime: "t" } });
  expect(toWhole(answer).providerMetadata).toEqual({});
});

test("a stream that ends before a reason to finish was interrupted", () => {
  expect(() => stream([chunk([{ text: "Hi" }])])).toThrow(expect.objectContaining({ kind: "interrupted" }));
  expect(() => stream([])).toThrow(expect.objectContaining({ kind: "interrupted" }));
});

test("an error that stands between events without data: breaks the stream", () => {
  const error = JSON.stringify({ error: { code: 503, message: "busy", status: "UNAVAILABLE" } }, undefined, 2);
  const bytes = Buffer.concat([toSse([chunk([{ text: "Hi" }], finished)]), encoder.encode(error)]);
  expect(() => readStream(chat, [bytes])).toThrow(expect.objectContaining({ kind: "overloaded" }));
});

test("an array of chunks reads as a stream does", () => {
  const chunks = [chunk([{ text: "One, " }]), chunk([{ text: "two" }], finished)];
  const array = encoder.encode(`[${chunks.map((one) => JSON.stringify(one, undefined, 2)).join("\n,\n")}\n]`);
  expect(readStream(chat, [array]).completion).toEqual(stream(chunks));
});

const words = fc.string({ unit: "grapheme", minLength: 1, maxLength: 8 });
const part: fc.Arbitrary<Json> = fc.oneof(
  words.map((text) => ({ text })),
  words.map((text) => ({ text, thought: true })),
  fc.record({ text: words, thoughtSignature: fc.base64String({ minLength: 4 }) }),
  words.map((text) => ({ functionCall: { name: "f", args: { text } } })),
  fc.constant({ executableCode: { language: "PYTHON", code: "1" } }),
  fc.constant({ inlineData: { mimeType: "image/png", data: "aW1n" } }),
  fc.constant({}),
);

test("however an answer is streamed and cut, it folds to the answer that comes whole", () => {
  const scene = fc.array(fc.array(part, { maxLength: 3 }), { minLength: 1, maxLength: 5 }).chain((groups) => {
    const chunks = groups.map((parts, index) => chunk(parts, index === groups.length - 1 ? finished : {}));
    return fc.tuple(fc.constant(groups.flat()), cuttings(toSse(chunks)));
  });
  fc.assert(
    fc.property(scene, ([parts, pieces]) => {
      expect(readStream(chat, pieces).completion).toEqual(toWhole(chunk(parts, finished)));
    }),
  );
});
