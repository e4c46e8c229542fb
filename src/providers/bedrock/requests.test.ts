import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { CompleteRequestSchema, PromptCacheMode, Role } from "../../contract.ts";
import type { Translation } from "../provider.ts";
import { createBedrockProvider } from "./index.ts";

type Shape = Omit<MessageInitShape<typeof CompleteRequestSchema>, "$typeName">;

const claude = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";

function translate(shape: Shape, model = claude, api = "converse"): Translation {
  const provider = createBedrockProvider({ id: "aws", kind: "bedrock", region: "us-east-1", api });
  if (provider.chat === undefined) throw new Error("the provider has no chat");
  return provider.chat.toHttpRequest(create(CompleteRequestSchema, { model: "m", ...shape }), "unary", {
    model,
    facts: {},
  });
}

function bodyOf(translation: Translation) {
  if (translation.kind !== "request") throw new Error(JSON.stringify(translation));
  return JSON.parse(String(translation.request.body));
}

function warningsOf(translation: Translation): readonly string[] {
  return translation.kind === "request" ? translation.warnings.map(({ field }) => field) : [];
}

const text = (value: string, breakpoint?: { ttl?: { seconds: bigint } }) => ({
  content: { case: "text" as const, value: { text: value } },
  cacheBreakpoint: breakpoint,
});
const hello = [{ role: Role.USER, parts: [text("Hello")] }];
const pdf = (title: string) => ({
  content: {
    case: "document" as const,
    value: {
      source: { case: "data" as const, value: new Uint8Array([1]) },
      mediaType: "application/pdf",
      title,
    },
  },
});

test("of more than four cache points the last four stay", () => {
  const parts = ["a", "b", "c", "d", "e", "f"].map((value) => text(value, {}));
  const translation = translate({ messages: [{ role: Role.USER, parts }] });
  const { content } = bodyOf(translation).messages[0];
  expect(content.map((block: object) => Object.keys(block)[0])).toEqual([
    ...["text", "text"],
    ...["text", "cachePoint", "text", "cachePoint", "text", "cachePoint", "text", "cachePoint"],
  ]);
  expect(warningsOf(translation)).toEqual(["messages[0].parts[0].cache_breakpoint"]);
});

test("no cache point lives shorter than one after it", () => {
  const parts = [text("a", { ttl: { seconds: 60n } }), text("b", { ttl: { seconds: 3600n } }), text("c", {})];
  const points = bodyOf(translate({ messages: [{ role: Role.USER, parts }] })).messages[0].content.filter(
    (block: object) => "cachePoint" in block,
  );
  expect(points.map((point: { cachePoint: { ttl?: string } }) => point.cachePoint.ttl)).toEqual([
    "1h",
    "1h",
    undefined,
  ]);
});

test("a model without a cache to steer gets no cache points, and the caller hears of it", () => {
  const translation = translate(
    { messages: hello, promptCache: { mode: PromptCacheMode.AUTO } },
    "meta.llama3-1-8b-instruct-v1:0",
  );
  expect(JSON.stringify(bodyOf(translation))).not.toContain("cachePoint");
  expect(warningsOf(translation)).toEqual(["prompt_cache"]);
});

test("documents get names that the API takes and that differ", () => {
  const parts = [pdf("Q3: report (final).pdf"), pdf("Q3: report (final).pdf"), pdf("Отчёт"), pdf("")];
  const { content } = bodyOf(translate({ messages: [{ role: Role.USER, parts }] })).messages[0];
  expect(content.map((block: { document: { name: string } }) => block.document.name)).toEqual([
    "Q3 report (final) pdf",
    "Q3 report (final) pdf 2",
    "Document",
    "Document 2",
  ]);
});

test("an object in S3 is named, not fetched; other addresses are refused", () => {
  const image = (value: string) => ({
    content: { case: "image" as const, value: { source: { case: "uri" as const, value } } },
  });
  const named = translate({ messages: [{ role: Role.USER, parts: [image("s3://bucket/cat.jpg")] }] });
  expect(bodyOf(named).messages[0].content).toEqual([
    { image: { format: "jpeg", source: { s3Location: { uri: "s3://bucket/cat.jpg" } } } },
  ]);
  expect(translate({ messages: [{ role: Role.USER, parts: [image("https://x.example/cat.jpg")] }] }).kind).toBe(
    "unsupported",
  );
});

test("a conversation with calls but without tools names those that were called", () => {
  const call = { case: "toolCall" as const, value: { callId: "c", name: "time", argumentsJson: "{}" } };
  const result = { case: "toolResult" as const, value: { callId: "c", content: [text("noon")] } };
  const messages = [
    ...hello,
    { role: Role.ASSISTANT, parts: [{ content: call }] },
    { role: Role.TOOL, parts: [{ content: result }] },
  ];
  expect(bodyOf(translate({ messages })).toolConfig).toEqual({
    tools: [{ toolSpec: { name: "time", inputSchema: { json: { type: "object" } } } }],
  });
});

test("the caller's own model parameters lie over ours", () => {
  const translation = translate({
    messages: hello,
    sampling: { topK: 5 },
    providerOptions: {
      bedrock: {
        additionalModelRequestFields: { top_k: 9, anthropic_beta: ["b"] },
        guardrailConfig: { guardrailIdentifier: "g" },
      },
    },
  });
  expect(bodyOf(translation)).toMatchObject({
    additionalModelRequestFields: { top_k: 9, anthropic_beta: ["b"] },
    guardrailConfig: { guardrailIdentifier: "g" },
  });
});

test("api invoke serves Anthropic's models only, and fetches nothing", () => {
  expect(translate({ messages: hello }, "amazon.nova-lite-v1:0", "invoke")).toMatchObject({
    kind: "unsupported",
    violations: [{ field: "model" }],
  });
  const source = { case: "uri" as const, value: "https://x.example/cat.jpg" };
  const parts = [{ content: { case: "image" as const, value: { source } } }];
  expect(translate({ messages: [{ role: Role.USER, parts }] }, claude, "invoke").kind).toBe("unsupported");
});

test.each([
  [{ id: "a", kind: "bedrock" }, "needs a region"],
  [{ id: "a", kind: "bedrock", region: "us-east-1", api: "chat" }, "known: converse, invoke"],
  [{ id: "a", kind: "bedrock", region: "evil.example/" }, "needs a region"],
])("settings that make no sense are said so: %j", (settings, message) => {
  expect(() => createBedrockProvider(settings)).toThrow(message);
});

test("a base address takes the place of the region's", () => {
  const provider = createBedrockProvider({
    id: "a",
    kind: "bedrock",
    region: "eu-west-1",
    baseUrl: "http://vpc.example/x",
  });
  const request = create(CompleteRequestSchema, { model: "m", messages: hello });
  const translation = provider.chat?.toHttpRequest(request, "stream", { model: "m:0", facts: {} });
  expect(translation).toMatchObject({
    request: { origin: "http://vpc.example", path: "/x/model/m%3A0/converse-stream" },
  });
});
