// For each field of a chat request: a request with it, the same without it, and what has to stand in the provider's
// request for the field to count as carried.
import { create, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import { DurationSchema } from "@bufbuild/protobuf/wkt";
import {
  type CompleteRequest,
  CompleteRequestSchema,
  MediaDetail,
  type MessageSchema,
  Modality,
  type PartSchema,
  PromptCacheMode,
  ReasoningEffort,
  ReasoningKind,
  ReasoningVisibility,
  Role,
  type SamplingParamsSchema,
  ToolMode,
  type ToolSchema,
  Verbosity,
} from "../../src/contract.ts";

type Shape<Schema extends DescMessage> = Omit<MessageInitShape<Schema>, "$typeName" | "$unknown">;
type RequestShape = Shape<typeof CompleteRequestSchema>;
type MessageShape = Shape<typeof MessageSchema>;
type PartShape = Shape<typeof PartSchema>;
type ToolShape = Shape<typeof ToolSchema>;
type SamplingShape = Shape<typeof SamplingParamsSchema>;

export type Probe = {
  readonly field: string;
  readonly withField: CompleteRequest;
  readonly without: CompleteRequest;
  /**
   * The value itself, as it must stand in the provider's request. Or "translated": the provider has a word or a form of
   * its own for it, so that a difference is the proof; what becomes of it is shown on the page.
   */
  readonly shows: readonly string[] | "translated";
};

type Row = readonly [field: string, withField: RequestShape, without: RequestShape, shows: Probe["shows"]];

/** All probes for a provider whose options and opaque state stand under `provider`. */
export function matrixProbes(provider: string): readonly Probe[] {
  const rows: readonly Row[] = [
    ...roleRows(),
    ...partRows(provider),
    ...callRows(provider),
    ...mediaRows(),
    ...samplingRows(),
    ...toolRows(provider),
    ...formatRows(),
    ...reasoningRows(),
    ...cacheRows(),
    ...restRows(provider),
  ];
  return rows.map(([field, withField, without, shows]) => ({
    field,
    withField: create(CompleteRequestSchema, { model: "m", ...withField }),
    without: create(CompleteRequestSchema, { model: "m", ...without }),
    shows,
  }));
}

/** What stands in the place of a text, and is found again in the provider's request. */
const canary = "canary-7c1e";
const canaryBytes = new TextEncoder().encode(canary);
const canaryBase64 = Buffer.from(canaryBytes).toString("base64");
const canaryUri = `https://example.com/${canary}.bin`;
const translated = "translated";

function text(words: string, more: PartShape = {}): PartShape {
  return { content: { case: "text", value: { text: words } }, ...more };
}

function message(role: Role, ...parts: PartShape[]): MessageShape {
  return { role, parts };
}

function user(...parts: PartShape[]): MessageShape {
  return message(Role.USER, ...parts);
}

function assistant(...parts: PartShape[]): MessageShape {
  return message(Role.ASSISTANT, ...parts);
}

const hello = user(text("Hello"));
const goOn = user(text("Go on."));
const plain: RequestShape = { messages: [hello] };

// ── Messages ────────────────────────────────────────────────────────────────────────────────────────────────────────

function roleRows(): readonly Row[] {
  const three = { messages: [hello, assistant(text("Hi")), goOn] };
  return [
    ["messages[].role=SYSTEM", { messages: [message(Role.SYSTEM, text(canary)), hello] }, plain, [canary]],
    ["messages[].role=USER", { messages: [hello, user(text(canary))] }, plain, [canary]],
    ["messages[].role=ASSISTANT", { messages: [hello, assistant(text(canary)), goOn] }, three, [canary]],
    ["messages[].role=TOOL", answered([text(canary)]), answered([text("x")]), [canary]],
    ["messages[].name", { messages: [{ ...hello, name: "canary_7c1e" }] }, plain, ["canary_7c1e"]],
  ];
}

function partRows(provider: string): readonly Row[] {
  const spoken = (part: PartShape): RequestShape => ({ messages: [hello, assistant(part, text("Hi")), goOn] });
  const silent: RequestShape = { messages: [hello, assistant(text("Hi")), goOn] };
  const thought = (kind: ReasoningKind, data: string, words = ""): RequestShape =>
    spoken({
      content: { case: "reasoning", value: { text: words, kind } },
      state: { provider, itemId: "rs_1", data: new TextEncoder().encode(data) },
    });
  const own = (kind: string, payloadJson: string): RequestShape =>
    spoken({ content: { case: "provider", value: { provider, kind, payloadJson } } });
  const foreign: RequestShape = spoken({
    content: { case: "provider", value: { provider: "another", kind: "novelty", payloadJson: '{"type":"novelty"}' } },
  });
  // State on reasoning and on a call, which is where providers put it.
  const stated = (itemId: string, data: string, from = provider): RequestShape => {
    const state = { provider: from, itemId, data: new TextEncoder().encode(data) };
    const reasoning: PartShape = { content: { case: "reasoning", value: { text: "hm" } }, state };
    return called({ state }, {}, {}, [text("sunny")], [reasoning]);
  };
  // What Anthropic, Google and OpenAI take as any text, and OpenRouter as a list.
  const data = JSON.stringify([{ type: "reasoning.encrypted", data: canary }]);
  return [
    ["messages[].parts[].text.text", { messages: [user(text(canary))] }, plain, [canary]],
    ["messages[].parts[].reasoning.text", thought(ReasoningKind.FULL, "sig", canary), silent, [canary]],
    ["messages[].parts[].reasoning.kind=FULL", thought(ReasoningKind.FULL, canary, "hm"), silent, translated],
    ["messages[].parts[].reasoning.kind=SUMMARY", thought(ReasoningKind.SUMMARY, canary, "hm"), silent, translated],
    ["messages[].parts[].reasoning.kind=REDACTED", thought(ReasoningKind.REDACTED, data), silent, translated],
    [
      "messages[].parts[].refusal.text",
      spoken({ content: { case: "refusal", value: { text: canary } } }),
      silent,
      [canary],
    ],
    ["messages[].parts[].provider.provider", foreign, silent, translated],
    ["messages[].parts[].provider.kind", own(canary, `{"type":"${canary}"}`), silent, [canary]],
    [
      "messages[].parts[].provider.payload_json",
      own("novelty", `{"type":"novelty","n":9007199254740993}`),
      silent,
      [`{"type":"novelty","n":9007199254740993}`],
    ],
    ["messages[].parts[].state.provider", stated("", data, "another"), stated("", data), translated],
    ["messages[].parts[].state.item_id", stated(canary, "x"), stated("", "x"), [canary]],
    ["messages[].parts[].state.data", stated("", data), stated("", ""), [canary, canaryBase64]],
    [
      "messages[].parts[].cache_breakpoint.ttl",
      { messages: [user(text("Long", { cacheBreakpoint: { ttl: hour } }), text("Short"))] },
      { messages: [user(text("Long"), text("Short"))] },
      translated,
    ],
    [
      "messages[].parts[].provider_options",
      { messages: [user(text("Hello", { providerOptions: { [provider]: { part_option: canary } } }))] },
      plain,
      [canary],
    ],
  ];
}

// ── Calls and their results ─────────────────────────────────────────────────────────────────────────────────────────

const weather: ToolShape = {
  kind: { case: "function", value: { name: "weather", parametersJsonSchema: '{"type":"object"}' } },
};

type CallShape = { readonly callId?: string; readonly name?: string; readonly argumentsJson?: string };
type ResultShape = { readonly name?: string; readonly isError?: boolean };

/** A call and its answer. */
function called(
  more: PartShape,
  call: CallShape = {},
  result: ResultShape = {},
  content = [text("sunny")],
  before: PartShape[] = [],
): RequestShape {
  const value = { callId: "c1", name: "weather", argumentsJson: "{}", ...call };
  return {
    messages: [
      hello,
      assistant(...before, { content: { case: "toolCall", value }, ...more }),
      message(Role.TOOL, { content: { case: "toolResult", value: { callId: value.callId, content, ...result } } }),
    ],
    tools: [weather],
  };
}

function answered(content: PartShape[], result: ResultShape = {}): RequestShape {
  return called({}, {}, result, content);
}

function callRows(provider: string): readonly Row[] {
  const call = "messages[].parts[].tool_call";
  const result = "messages[].parts[].tool_result";
  const text1 = text("sunny");
  const media = { source: { case: "data", value: canaryBytes } } as const;
  const both = (content: PartShape): RequestShape => answered([text1, content]);
  return [
    [`${call}.call_id`, called({}, { callId: canary }), called({}), [canary]],
    [`${call}.name`, called({}, { name: "canary_7c1e" }), called({}), ["canary_7c1e"]],
    [`${call}.arguments_json`, called({}, { argumentsJson: `{"city": "${canary}"}` }), called({}), [canary]],
    [`${call}.provider_executed`, executed(provider, true, false), executed(provider, false, false), translated],
    [`${call}.free_form`, freeForm(true), freeForm(false), translated],
    [`${result}.call_id`, called({}, { callId: canary }), called({}), [canary]],
    [`${result}.name`, answered([text1], { name: "weather" }), answered([text1]), translated],
    [`${result}.content[].text`, answered([text(canary)]), answered([text1]), [canary]],
    [
      `${result}.content[].image`,
      both({ content: { case: "image", value: { ...media, mediaType: "image/png" } } }),
      answered([text1]),
      [canaryBase64],
    ],
    [
      `${result}.content[].audio`,
      both({ content: { case: "audio", value: { ...media, mediaType: "audio/wav" } } }),
      answered([text1]),
      [canaryBase64],
    ],
    [
      `${result}.content[].video`,
      both({ content: { case: "video", value: { ...media, mediaType: "video/mp4" } } }),
      answered([text1]),
      [canaryBase64],
    ],
    [
      `${result}.content[].document`,
      both({ content: { case: "document", value: { ...media, mediaType: "application/pdf" } } }),
      answered([text1]),
      [canaryBase64],
    ],
    [
      `${result}.content[].provider`,
      both({
        content: { case: "provider", value: { provider, kind: "novelty", payloadJson: `{"type":"${canary}"}` } },
      }),
      answered([text1]),
      [canary],
    ],
    [
      `${result}.content[].cache_breakpoint`,
      answered([text("sunny", { cacheBreakpoint: {} })]),
      answered([text1]),
      translated,
    ],
    [
      `${result}.content[].provider_options`,
      answered([text("sunny", { providerOptions: { [provider]: { part_option: canary } } })]),
      answered([text1]),
      [canary],
    ],
    [`${result}.is_error`, answered([text1], { isError: true }), answered([text1]), translated],
    [`${result}.provider_executed`, executed(provider, true, true), executed(provider, true, false), translated],
  ];
}

/** A search that the provider ran itself, as its own answers have it. */
function executed(provider: string, providerExecuted: boolean, hasResult: boolean): RequestShape {
  const callPart: PartShape = {
    content: {
      case: "toolCall",
      value: { callId: "srvtoolu_1", name: "web_search", argumentsJson: '{"query":"x"}', providerExecuted },
    },
    state: { provider, itemId: "ws_1", data: new TextEncoder().encode('{"type":"server_tool_use"}') },
  };
  const resultPart: PartShape = {
    content: {
      case: "toolResult",
      value: {
        callId: "srvtoolu_1",
        name: "web_search",
        providerExecuted,
        content: [
          {
            content: {
              case: "provider",
              value: { provider, kind: "web_search_tool_result", payloadJson: '{"type":"web_search_tool_result"}' },
            },
          },
        ],
      },
    },
  };
  const outside = providerExecuted
    ? []
    : [message(Role.TOOL, { content: { case: "toolResult", value: { callId: "srvtoolu_1", content: [text("x")] } } })];
  return {
    messages: [hello, assistant(callPart, ...(hasResult ? [resultPart] : []), text("Found.")), ...outside, goOn],
  };
}

function freeForm(isFree: boolean): RequestShape {
  const argumentsJson = isFree ? "free text" : "{}";
  const value = { callId: "c1", name: "patch", argumentsJson, freeForm: isFree };
  return {
    messages: [
      hello,
      assistant({ content: { case: "toolCall", value } }),
      message(Role.TOOL, { content: { case: "toolResult", value: { callId: "c1", content: [text("done")] } } }),
    ],
  };
}

// ── Media ───────────────────────────────────────────────────────────────────────────────────────────────────────────

type MediaKind = "image" | "audio" | "video" | "document";
type MediaShape = Extract<NonNullable<PartShape["content"]>, { case: "image" }>["value"];

const mediaTypes = {
  image: ["image/png", "image/gif"],
  audio: ["audio/wav", "audio/mp3"],
  video: ["video/mp4", "video/webm"],
  document: ["application/pdf", "text/plain"],
} as const satisfies Record<MediaKind, readonly [string, string]>;

function mediaRows(): readonly Row[] {
  return (["image", "audio", "video", "document"] as const).flatMap(mediaRowsOf);
}

function mediaRowsOf(kind: MediaKind): readonly Row[] {
  const field = (name: string) => `messages[].parts[].${kind}.${name}`;
  const [usual, other] = mediaTypes[kind];
  const asked = (more: MediaShape): RequestShape => ({
    messages: [
      user(
        { content: { case: kind, value: { source: bytes, mediaType: usual, ...more } } } as PartShape,
        text("Hello"),
      ),
    ],
  });
  const bytes = { case: "data", value: canaryBytes } as const;
  const base = asked({});
  const details = (["LOW", "MEDIUM", "HIGH"] as const).map(
    (detail): Row => [field(`detail=${detail}`), asked({ detail: MediaDetail[detail] }), base, translated],
  );
  const documentOnly: readonly Row[] = [
    [field("title"), asked({ title: canary }), base, [canary]],
    [field("citations_enabled"), asked({ citationsEnabled: true }), base, translated],
  ];
  return [
    [field("data"), base, plain, [canaryBase64, "data:", canary]],
    [field("uri"), asked({ source: { case: "uri", value: canaryUri } }), plain, [canaryUri]],
    [field("file_id"), asked({ source: { case: "fileId", value: canary } }), plain, [canary]],
    [field("media_type"), asked({ mediaType: other }), base, translated],
    [field("filename"), asked({ filename: `${canary}.bin` }), base, [canary]],
    ...(kind === "image" || kind === "video" ? details : []),
    ...(kind === "document" ? documentOnly : []),
    ...(kind === "audio" || kind === "video"
      ? [[field("transcript"), asked({ transcript: canary }), base, [canary]] as const]
      : []),
  ];
}

// ── Parameters ──────────────────────────────────────────────────────────────────────────────────────────────────────

function samplingRows(): readonly Row[] {
  const row = (name: string, sampling: SamplingShape, shows: Probe["shows"]): Row => [
    `sampling.${name}`,
    { ...plain, sampling },
    plain,
    shows,
  ];
  return [
    row("max_output_tokens", { maxOutputTokens: 4321 }, ["4321"]),
    row("temperature", { temperature: 0.4321 }, ["0.4321"]),
    row("top_p", { topP: 0.4321 }, ["0.4321"]),
    row("top_k", { topK: 43 }, [":43"]),
    row("min_p", { minP: 0.4321 }, ["0.4321"]),
    row("frequency_penalty", { frequencyPenalty: 0.4321 }, ["0.4321"]),
    row("presence_penalty", { presencePenalty: 0.4321 }, ["0.4321"]),
    row("repetition_penalty", { repetitionPenalty: 1.4321 }, ["1.4321"]),
    row("seed", { seed: 4321n }, ["4321"]),
    row("stop_sequences[]", { stopSequences: [canary] }, [canary]),
    row("logit_bias", { logitBias: { 4321: 7 } }, ['"4321":7']),
    row("top_logprobs", { topLogprobs: 3 }, [":3"]),
    row("verbosity=LOW", { verbosity: Verbosity.LOW }, translated),
    row("verbosity=MEDIUM", { verbosity: Verbosity.MEDIUM }, translated),
    row("verbosity=HIGH", { verbosity: Verbosity.HIGH }, translated),
  ];
}

function toolRows(provider: string): readonly Row[] {
  const row = (name: string, tool: ToolShape, base: ToolShape | undefined, shows: Probe["shows"]): Row => [
    `tools[].${name}`,
    { ...plain, tools: [tool] },
    base === undefined ? plain : { ...plain, tools: [base] },
    shows,
  ];
  const functionTool = (more: object): ToolShape => ({
    kind: { case: "function", value: { name: "weather", parametersJsonSchema: closedSchema, ...more } },
  });
  const free = (more: object): ToolShape => ({ kind: { case: "freeForm", value: { name: "patch", ...more } } });
  const choice = (name: string, toolChoice: NonNullable<RequestShape["toolChoice"]>, shows: Probe["shows"]): Row => [
    `tool_choice.${name}`,
    { ...plain, tools: [weather, otherTool], toolChoice },
    { ...plain, tools: [weather, otherTool] },
    shows,
  ];
  const searching = (settings: Record<string, string>): ToolShape => ({
    kind: { case: "provider", value: { type: "web_search", settings } },
  });
  return [
    row("function.name", functionTool({ name: "canary_7c1e" }), functionTool({}), ["canary_7c1e"]),
    row("function.description", functionTool({ description: canary }), functionTool({}), [canary]),
    row("function.parameters_json_schema", functionTool({ parametersJsonSchema: schemaOf(canary) }), functionTool({}), [
      canary,
    ]),
    row("function.strict", functionTool({ strict: true }), functionTool({ strict: false }), translated),
    row("provider.type", searching({}), undefined, translated),
    row("provider.settings", searching({ setting: canary }), searching({}), [canary]),
    row("free_form.name", free({ name: "canary_7c1e" }), free({}), ["canary_7c1e"]),
    row("free_form.description", free({ description: canary }), free({}), [canary]),
    row("free_form.lark", free({ grammar: { case: "lark", value: canary } }), free({}), [canary]),
    row("free_form.regex", free({ grammar: { case: "regex", value: canary } }), free({}), [canary]),
    row("cache_breakpoint.ttl", { ...weather, cacheBreakpoint: { ttl: hour } }, weather, translated),
    row("provider_options", { ...weather, providerOptions: { [provider]: { tool_option: canary } } }, weather, [
      canary,
    ]),
    choice("mode=AUTO", { mode: ToolMode.AUTO }, translated),
    choice("mode=NONE", { mode: ToolMode.NONE }, translated),
    choice("mode=REQUIRED", { mode: ToolMode.REQUIRED }, translated),
    choice("allowed_tools[]", { mode: ToolMode.REQUIRED, allowedTools: ["other"] }, translated),
    choice("parallel_tool_calls", { mode: ToolMode.AUTO, parallelToolCalls: false }, translated),
  ];
}

const otherTool: ToolShape = {
  kind: { case: "function", value: { name: "other", parametersJsonSchema: '{"type":"object"}' } },
};

function schemaOf(property: string): string {
  return `{"type":"object","properties":{"${property}":{"type":"string"}},"required":["${property}"],"additionalProperties":false}`;
}

const closedSchema = schemaOf("city");

function formatRows(): readonly Row[] {
  type Format = NonNullable<NonNullable<RequestShape["responseFormat"]>["format"]>;
  const row = (name: string, format: Format, base: Format | undefined, shows: Probe["shows"]): Row => [
    `response_format.${name}`,
    { ...plain, responseFormat: { format } },
    base === undefined ? plain : { ...plain, responseFormat: { format: base } },
    shows,
  ];
  const schema = (more: object): Format => ({
    case: "jsonSchema",
    value: { name: "city", schemaJson: closedSchema, ...more },
  });
  const grammar = (kind: "regex" | "ebnf" | "lark"): Format => ({
    case: "grammar",
    value: { grammar: { case: kind, value: canary } },
  });
  return [
    row("text", { case: "text", value: {} }, undefined, translated),
    row("json_object", { case: "jsonObject", value: {} }, undefined, translated),
    row("json_schema.name", schema({ name: canary }), schema({}), [canary]),
    row("json_schema.description", schema({ description: canary }), schema({}), [canary]),
    row("json_schema.schema_json", schema({ schemaJson: schemaOf(canary) }), schema({}), [canary]),
    row("json_schema.strict", schema({ strict: true }), schema({ strict: false }), translated),
    row("grammar.regex", grammar("regex"), undefined, [canary]),
    row("grammar.ebnf", grammar("ebnf"), undefined, [canary]),
    row("grammar.lark", grammar("lark"), undefined, [canary]),
  ];
}

function reasoningRows(): readonly Row[] {
  const row = (
    name: string,
    reasoning: NonNullable<RequestShape["reasoning"]>,
    base: RequestShape["reasoning"],
    shows: Probe["shows"],
  ): Row => [
    `reasoning.${name}`,
    { ...plain, reasoning },
    base === undefined ? plain : { ...plain, reasoning: base },
    shows,
  ];
  const low = { effort: ReasoningEffort.LOW };
  const efforts = (["NONE", "MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH", "MAX"] as const).map((effort) =>
    row(`effort=${effort}`, { effort: ReasoningEffort[effort] }, undefined, translated),
  );
  const visibilities = (["HIDDEN", "SUMMARY", "FULL"] as const).map((visibility) =>
    row(`visibility=${visibility}`, { ...low, visibility: ReasoningVisibility[visibility] }, low, translated),
  );
  return [...efforts, row("budget_tokens", { budgetTokens: 4321 }, undefined, ["4321"]), ...visibilities];
}

const hour = create(DurationSchema, { seconds: 3600n });

function cacheRows(): readonly Row[] {
  const marked: RequestShape = {
    messages: [user(text("Long", { cacheBreakpoint: {} }), text("Short"))],
  };
  const row = (name: string, promptCache: NonNullable<RequestShape["promptCache"]>, base: RequestShape): Row => [
    `prompt_cache.${name}`,
    { ...base, promptCache },
    base,
    translated,
  ];
  const automatic = { mode: PromptCacheMode.AUTO };
  return [
    row("mode=AUTO", automatic, plain),
    row("mode=EXPLICIT", { mode: PromptCacheMode.EXPLICIT }, plain),
    row("mode=OFF", { mode: PromptCacheMode.OFF }, marked),
    ["prompt_cache.key", { ...plain, promptCache: { key: canary } }, plain, [canary]],
    [
      "prompt_cache.ttl",
      { ...plain, promptCache: { ...automatic, ttl: hour } },
      { ...plain, promptCache: automatic },
      translated,
    ],
    ["prompt_cache.cached_content", { ...plain, promptCache: { cachedContent: canary } }, plain, [canary]],
  ];
}

function restRows(provider: string): readonly Row[] {
  const made = (modality: keyof typeof Modality): Row => [
    `output_modalities[]=${modality}`,
    { ...plain, outputModalities: [Modality.TEXT, Modality[modality]] },
    plain,
    translated,
  ];
  const spoken: RequestShape = { ...plain, outputModalities: [Modality.AUDIO] };
  return [
    ["output_modalities[]=TEXT", { ...plain, outputModalities: [Modality.TEXT] }, plain, translated],
    ...(["IMAGE", "AUDIO", "VIDEO", "DOCUMENT", "EMBEDDING"] as const).map(made),
    ["audio_output.voice", { ...spoken, audioOutput: { voice: canary } }, spoken, [canary]],
    ["audio_output.media_type", { ...spoken, audioOutput: { mediaType: "audio/mpeg" } }, spoken, translated],
    ["service_tier", { ...plain, serviceTier: "priority" }, plain, translated],
    ["provider_options", { ...plain, providerOptions: { [provider]: { own_option: canary } } }, plain, [canary]],
    ["end_user_id", { ...plain, endUserId: canary }, plain, [canary]],
  ];
}
