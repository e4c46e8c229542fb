// One request for each feature of the contract. What the providers make of it stands in `requests/<feature>.txt`: a review
// of a feature reads one file.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { DurationSchema } from "@bufbuild/protobuf/wkt";
import {
  type CompleteRequest,
  CompleteRequestSchema,
  MediaDetail,
  Modality,
  type PartSchema,
  PromptCacheMode,
  ReasoningEffort,
  ReasoningKind,
  ReasoningVisibility,
  Role,
  ToolMode,
  Verbosity,
} from "../../src/contract.ts";

type RequestShape = Omit<MessageInitShape<typeof CompleteRequestSchema>, "$typeName">;
type PartShape = Omit<Extract<MessageInitShape<typeof PartSchema>, { content?: unknown }>, "$typeName">;
type Extras = Pick<PartShape, "state" | "cacheBreakpoint" | "providerOptions">;

const bytes = new TextEncoder();

function text(words: string, more: Extras = {}): PartShape {
  return { ...more, content: { case: "text", value: { text: words } } };
}

function user(...parts: readonly PartShape[]) {
  return { role: Role.USER, parts: [...parts] };
}

function assistant(...parts: readonly PartShape[]) {
  return { role: Role.ASSISTANT, parts: [...parts] };
}

function system(...parts: readonly PartShape[]) {
  return { role: Role.SYSTEM, parts: [...parts] };
}

function call(callId: string, name: string, argumentsJson: string, more: Extras = {}): PartShape {
  return { ...more, content: { case: "toolCall", value: { callId, name, argumentsJson } } };
}

function result(callId: string, content: PartShape[], isError = false) {
  return {
    role: Role.TOOL,
    parts: [{ content: { case: "toolResult", value: { callId, content, isError } } } as const],
  };
}

function state(provider: string, data: string, itemId = "") {
  return { provider, itemId, data: bytes.encode(data) };
}

const hello = [user(text("Hello"))];
// The order of its properties steers generation, and the number is over 2^53: both have to arrive.
const schema =
  '{"type":"object","properties":{"z":{"type":"integer","maximum":9007199254740993},"a":{"type":"string"}},"required":["z"]}';
const closedSchema =
  '{"type":"object","properties":{"city":{"type":"string"}},"required":["city"],"additionalProperties":false}';
const weather = {
  kind: {
    case: "function",
    value: { name: "weather", description: "Weather in a city", parametersJsonSchema: closedSchema },
  },
} as const;
const time = { kind: { case: "function", value: { name: "time" } } } as const;
const png = bytes.encode("png");
const hour = create(DurationSchema, { seconds: 3600n });

function shapesFor(provider: string): Readonly<Record<string, RequestShape>> {
  return {
    text: { messages: hello },
    conversation: {
      messages: [
        system(text("Be brief.")),
        user(text("One")),
        user(text("Two")),
        assistant(text("Three")),
        system(text("Be polite.")),
        user(text("Four")),
      ],
    },
    prefill: { messages: [user(text("Count")), assistant(text("1, 2, "))] },
    sampling: {
      messages: hello,
      sampling: { maxOutputTokens: 100, temperature: 0, topP: 0.9, topK: 40, stopSequences: ["END", "STOP"] },
    },
    "sampling-hot": { messages: hello, sampling: { temperature: 1.5 } },
    "sampling-rare": {
      messages: hello,
      sampling: {
        minP: 0.1,
        frequencyPenalty: 0.5,
        presencePenalty: -0.5,
        repetitionPenalty: 1.1,
        seed: 42n,
        logitBias: { 50256: -100 },
        topLogprobs: 3,
        verbosity: Verbosity.LOW,
      },
    },
    media: {
      messages: [
        user(
          { content: { case: "image", value: { source: { case: "data", value: png }, mediaType: "image/png" } } },
          {
            content: {
              case: "image",
              value: { source: { case: "uri", value: "https://example.com/a.png" }, detail: MediaDetail.HIGH },
            },
          },
          { content: { case: "image", value: { source: { case: "uri", value: "data:image/gif;base64,R0lG" } } } },
          text("What do they show?"),
        ),
      ],
    },
    documents: {
      messages: [
        user(
          {
            content: {
              case: "document",
              value: {
                source: { case: "data", value: bytes.encode("%PDF") },
                mediaType: "application/pdf",
                filename: "report.pdf",
                citationsEnabled: true,
              },
            },
          },
          {
            content: {
              case: "document",
              value: {
                source: { case: "data", value: bytes.encode("Grüße") },
                mediaType: "text/plain; charset=utf-8",
                title: "Notes",
              },
            },
          },
          { content: { case: "document", value: { source: { case: "fileId", value: "file_1" } } } },
        ),
      ],
    },
    audio: {
      messages: [
        user({ content: { case: "audio", value: { source: { case: "data", value: png }, mediaType: "audio/wav" } } }),
      ],
    },
    tools: {
      messages: hello,
      tools: [
        weather,
        { kind: { case: "function", value: { name: "big", parametersJsonSchema: schema, strict: true } } },
        { kind: { case: "provider", value: { type: "web_search", settings: { max_uses: 2 } } } },
        { kind: { case: "provider", value: { type: "code_execution" } } },
      ],
    },
    "tool-forced": {
      messages: hello,
      tools: [weather, time],
      toolChoice: { mode: ToolMode.REQUIRED, allowedTools: ["time"] },
    },
    "tool-any-of-all": {
      messages: hello,
      tools: [weather],
      toolChoice: { mode: ToolMode.REQUIRED, parallelToolCalls: false },
    },
    "tool-list": {
      messages: hello,
      tools: [weather, time],
      toolChoice: { mode: ToolMode.AUTO, allowedTools: ["time"] },
    },
    "tool-none": { messages: hello, tools: [weather], toolChoice: { mode: ToolMode.NONE } },
    "tool-foreign": { messages: hello, tools: [{ kind: { case: "provider", value: { type: "acme.magic" } } }] },
    "tool-free-form": { messages: hello, tools: [{ kind: { case: "freeForm", value: { name: "patch" } } }] },
    "tool-results": {
      messages: [
        user(text("Weather in Paris and Rome?")),
        assistant(
          text("I look."),
          call("c1", "weather", '{"city": "Paris", "id": 9007199254740993}'),
          call("c2", "weather", '{"city":"Ro'),
          call("c3", "time", ""),
        ),
        result("c1", [text('{"celsius": 21}')]),
        result("c2", [text("no such city")], true),
        result("c3", [
          text("noon"),
          { content: { case: "image", value: { source: { case: "data", value: png }, mediaType: "image/png" } } },
        ]),
        user(text("Go on.")),
      ],
      tools: [weather, time],
    },
    reasoning: {
      messages: hello,
      reasoning: { effort: ReasoningEffort.HIGH, visibility: ReasoningVisibility.SUMMARY },
      sampling: { temperature: 0.5 },
    },
    "reasoning-off": { messages: hello, reasoning: { effort: ReasoningEffort.NONE } },
    "reasoning-minimal": { messages: hello, reasoning: { effort: ReasoningEffort.MINIMAL } },
    "reasoning-highest": { messages: hello, reasoning: { effort: ReasoningEffort.MAX } },
    "reasoning-budget": { messages: hello, reasoning: { budgetTokens: 2000, visibility: ReasoningVisibility.HIDDEN } },
    "reasoning-forced-tool": {
      messages: hello,
      tools: [weather],
      toolChoice: { mode: ToolMode.REQUIRED },
      reasoning: { effort: ReasoningEffort.LOW },
    },
    "state-own": {
      messages: [
        user(text("Hi")),
        assistant(
          {
            content: { case: "reasoning", value: { text: "hm", kind: ReasoningKind.SUMMARY } },
            state: state(provider, "sig=="),
          },
          { content: { case: "reasoning", value: { kind: ReasoningKind.REDACTED } }, state: state(provider, "secret") },
          call("c1", "weather", "{}", { state: state(provider, "", "") }),
        ),
        result("c1", [text("sunny")]),
      ],
    },
    "state-foreign": {
      messages: [
        user(text("Hi")),
        assistant(
          { content: { case: "reasoning", value: { text: "hm" } }, state: state("another", "sig==") },
          { content: { case: "provider", value: { provider: "another", kind: "thing", payloadJson: "{}" } } },
          call("c1", "weather", "{}"),
        ),
        result("c1", [text("sunny")]),
      ],
    },
    "provider-part": {
      messages: [
        user(text("Hi")),
        assistant({
          content: {
            case: "provider",
            value: { provider: provider, kind: "novelty", payloadJson: '{"type":"novelty","n":9007199254740993}' },
          },
        }),
        user(text("Go on.")),
      ],
    },
    "json-object": { messages: hello, responseFormat: { format: { case: "jsonObject", value: {} } } },
    "json-schema": {
      messages: hello,
      responseFormat: { format: { case: "jsonSchema", value: { name: "city", schemaJson: closedSchema } } },
    },
    "json-schema-open": {
      messages: hello,
      responseFormat: { format: { case: "jsonSchema", value: { name: "n", schemaJson: schema } } },
    },
    grammar: {
      messages: hello,
      responseFormat: { format: { case: "grammar", value: { grammar: { case: "regex", value: "a+" } } } },
    },
    "cache-explicit": {
      messages: [
        system(text("Rules.", { cacheBreakpoint: { ttl: hour } })),
        user(text("Long text.", { cacheBreakpoint: {} }), text("Question.")),
      ],
      tools: [{ ...weather, cacheBreakpoint: { ttl: create(DurationSchema, { seconds: 60n }) } }],
    },
    "cache-automatic": {
      messages: [system(text("Rules.")), user(text("Question."))],
      tools: [weather],
      promptCache: { mode: PromptCacheMode.AUTO, ttl: hour, key: "k" },
    },
    "cache-off": {
      messages: [user(text("Long text.", { cacheBreakpoint: {} }))],
      promptCache: { mode: PromptCacheMode.OFF },
    },
    "cache-named": { messages: hello, promptCache: { cachedContent: "cachedContents/abc" } },
    "image-output": { messages: hello, outputModalities: [Modality.TEXT, Modality.IMAGE] },
    "audio-output": { messages: hello, outputModalities: [Modality.AUDIO], audioOutput: { voice: "Kore" } },
    extras: { messages: hello, endUserId: "user-1", serviceTier: "priority" },
    "provider-options": {
      messages: [user(text("Hello", { providerOptions: { [provider]: { part_option: 1 } } }))],
      sampling: { temperature: 0.2 },
      providerOptions: {
        [provider]: { own_option: true, anthropic_beta: ["beta-1"], generationConfig: { enhanced: true } },
        another: { x: 1 },
      },
    },
  };
}

/** The requests by feature. `provider`: the name under which its options and state stand. */
export function neutralRequests(provider: string): Readonly<Record<string, CompleteRequest>> {
  const shapes = Object.entries(shapesFor(provider));
  return Object.fromEntries(
    shapes.map(([feature, shape]) => [feature, create(CompleteRequestSchema, { model: "m", ...shape })]),
  );
}
