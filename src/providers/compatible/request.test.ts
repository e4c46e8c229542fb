import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import {
  CompleteRequestSchema,
  Modality,
  type PartSchema,
  ReasoningEffort,
  ReasoningVisibility,
  Role,
  ToolMode,
  WarningKind,
} from "../../contract.ts";
import type { ModelFacts } from "../../domain/target.ts";
import type { Translation } from "../provider.ts";
import { createProvider } from "../registry.ts";
import { dialectIds } from "./dialects.ts";

type RequestInit = MessageInitShape<typeof CompleteRequestSchema>;
type PartInit = MessageInitShape<typeof PartSchema>;

const hello: PartInit = { content: { case: "text", value: { text: "hi" } } };
const weather: RequestInit["tools"] = [
  { kind: { case: "function", value: { name: "weather", parametersJsonSchema: '{"type":"object"}' } } },
  { kind: { case: "function", value: { name: "time" } } },
];

describe("parameters", () => {
  it("that are unset never appear, for any dialect", () => {
    for (const dialect of dialectIds) expect(Object.keys(body({}, dialect)).toSorted()).toEqual(["messages", "model"]);
  });

  it("that are set to 0 do appear", () => {
    expect(
      body({ sampling: { temperature: 0, frequencyPenalty: 0, seed: 0n, topLogprobs: 0 } }, "generic"),
    ).toMatchObject({
      temperature: 0,
      frequency_penalty: 0,
      seed: 0,
      logprobs: true,
      top_logprobs: 0,
    });
  });

  it("keep a seed exactly", () => {
    const translation = translate({ sampling: { seed: 9_007_199_254_740_993n } }, "generic");
    expect(translation.kind === "request" && translation.request.body).toContain('"seed":9007199254740993');
  });

  it("stand under the server's own names", () => {
    const sampling = { maxOutputTokens: 5, repetitionPenalty: 1.1, topK: 3 };
    expect(body({ sampling }, "llamacpp")).toMatchObject({ max_tokens: 5, repeat_penalty: 1.1, top_k: 3 });
    expect(body({ sampling: { maxOutputTokens: 5 } }, "groq")).toMatchObject({ max_completion_tokens: 5 });
  });

  it("that the server lacks are named in warnings", () => {
    const warnings = warningsOf(
      { sampling: { topK: 3, minP: 0.1, seed: 1n }, serviceTier: "flex", endUserId: "u" },
      "deepseek",
    );
    expect(warnings).toEqual([
      [WarningKind.PARAMETER_DROPPED, "sampling.top_k"],
      [WarningKind.PARAMETER_DROPPED, "sampling.min_p"],
      [WarningKind.PARAMETER_DROPPED, "sampling.seed"],
      [WarningKind.PARAMETER_DROPPED, "service_tier"],
      [WarningKind.PARAMETER_DROPPED, "end_user_id"],
    ]);
  });

  it("that OpenAI's reasoning models refuse are left out with a warning", () => {
    const request = { sampling: { temperature: 0.5, stopSequences: ["x"] } };
    expect(warningsOf(request, "openai", "o3").map(([, field]) => field)).toEqual([
      "sampling.temperature",
      "sampling.stop_sequences",
    ]);
    expect(body(request, "openai", "gpt-4.1")).toMatchObject({ temperature: 0.5, stop: ["x"] });
  });

  it("of the caller for this provider come last and as they are; others are ignored", () => {
    const providerOptions = { groq: { temperature: 1, x: { y: null } }, mine: { z: 1 }, anthropic: { no: 1 } };
    expect(body({ sampling: { temperature: 0 }, providerOptions }, "groq")).toMatchObject({
      temperature: 1,
      x: { y: null },
      z: 1,
    });
    expect(body({ providerOptions }, "groq")).not.toHaveProperty("no");
  });

  it("ask for usage on streams", () => {
    expect(body({}, "generic", "m", "stream")).toMatchObject({ stream: true, stream_options: { include_usage: true } });
    expect(body({}, "perplexity", "m", "stream")).not.toHaveProperty("stream_options");
  });
});

describe("what is known of the model", () => {
  const factsOf = (request: RequestInit, facts: ModelFacts) => {
    const provider = createProvider({ id: "mine", kind: "openai" });
    const translation = provider.chat?.toHttpRequest(create(CompleteRequestSchema, request), "unary", {
      model: "m",
      facts,
    });
    if (translation?.kind !== "request") throw new Error("unsupported");
    return {
      sent: JSON.parse(String(translation.request.body)),
      warned: translation.warnings.map(({ field }) => field),
    };
  };

  it("limits the length and says so", () => {
    const { sent, warned } = factsOf({ sampling: { maxOutputTokens: 9000 } }, { maxOutputTokens: 8192 });
    expect([sent.max_completion_tokens, warned]).toEqual([8192, ["sampling.max_output_tokens"]]);
  });

  it("keeps reasoning and schemas away from models without them", () => {
    const format = { case: "jsonSchema", value: { schemaJson: '{"type":"object"}' } } as const;
    const request: RequestInit = { reasoning: { effort: ReasoningEffort.LOW }, responseFormat: { format } };
    const { sent, warned } = factsOf(request, { reasoning: false, jsonSchema: false });
    expect(sent).not.toHaveProperty("reasoning_effort");
    expect(sent.response_format).toEqual({ type: "json_object" });
    expect(warned.toSorted()).toEqual(["reasoning.effort", "response_format.json_schema"]);
    expect(factsOf(request, {}).warned).toEqual([]);
  });
});

describe("messages", () => {
  it("carry images, documents and sound in the server's forms", () => {
    const data = new Uint8Array([1, 2]);
    const parts: PartInit[] = [
      {
        content: { case: "image", value: { source: { case: "data", value: data }, mediaType: "image/png", detail: 1 } },
      },
      { content: { case: "document", value: { source: { case: "data", value: data }, filename: "a.pdf" } } },
      { content: { case: "audio", value: { source: { case: "data", value: data }, mediaType: "audio/mpeg" } } },
    ];
    expect(user(parts, "openai")).toEqual([
      { type: "image_url", image_url: { url: "data:image/png;base64,AQI=", detail: "low" } },
      { type: "file", file: { filename: "a.pdf", file_data: "data:application/pdf;base64,AQI=" } },
      { type: "input_audio", input_audio: { data: "AQI=", format: "mp3" } },
    ]);
  });

  it("from the application are a developer's for OpenAI's reasoning models", () => {
    const request: RequestInit = { messages: [{ role: Role.SYSTEM, parts: [hello] }] };
    const roleAt = (dialect: string, model: string) => body(request, dialect, model)["messages"];
    expect(roleAt("openai", "gpt-5-mini")).toEqual([{ role: "developer", content: "hi" }]);
    expect(roleAt("openai", "gpt-4.1")).toEqual([{ role: "system", content: "hi" }]);
    expect(roleAt("groq", "openai/gpt-oss-20b")).toEqual([{ role: "system", content: "hi" }]);
  });

  it("put documents of text into words where the server takes none, and refuse the others", () => {
    const document = (mediaType: string): PartInit => ({
      content: {
        case: "document",
        value: { source: { case: "data", value: new TextEncoder().encode("# A") }, mediaType },
      },
    });
    expect(JSON.stringify(user([document("text/markdown")], "vllm"))).toContain("# A");
    expect(translate(ask([document("application/pdf")]), "vllm")).toMatchObject({
      kind: "unsupported",
      violations: [{ field: "messages[0].parts[0].document" }],
    });
  });

  it("refuse addresses that only another cloud can read", () => {
    const image: PartInit = { content: { case: "image", value: { source: { case: "uri", value: "gs://b/o" } } } };
    expect(translate(ask([image]), "openai").kind).toBe("unsupported");
  });

  it("send arguments and results back byte for byte", () => {
    const argumentsJson = '{ "b": 1.0,\n"a": 9007199254740993 }';
    const { messages } = body(
      conversation([{ content: { case: "toolCall", value: { callId: "c", name: "f", argumentsJson } } }], [hello]),
      "openai",
    );
    expect(messages).toEqual([
      {
        role: "assistant",
        content: null,
        tool_calls: [{ id: "c", type: "function", function: { name: "f", arguments: argumentsJson } }],
      },
      { role: "tool", tool_call_id: "c", content: "hi" },
    ]);
  });

  it("put media of tool results into a user message behind them", () => {
    const image: PartInit = {
      content: { case: "image", value: { source: { case: "uri", value: "https://x/a.png" } } },
    };
    const request = conversation(
      [{ content: { case: "toolCall", value: { callId: "c", name: "f", argumentsJson: "{}" } } }],
      [hello, image],
    );
    expect(body(request, "openai")["messages"]).toMatchObject([
      { role: "assistant" },
      { role: "tool", content: "hi" },
      { role: "user", content: [{ type: "text" }, { type: "image_url" }] },
    ]);
    expect(warningsOf(request, "openai")).toEqual([
      [WarningKind.EMULATED, "messages[1].parts[0].tool_result.content[1]"],
    ]);
  });

  it("carry reasoning back to its own provider only", () => {
    const reasoning = (provider: string): PartInit => ({
      content: { case: "reasoning", value: { text: "why" } },
      state: { provider },
    });
    const own = conversation([reasoning("deepseek"), hello], []);
    const foreign = conversation([reasoning("anthropic"), hello], []);
    expect(body(own, "deepseek")["messages"]).toMatchObject([{ content: "hi", reasoning_content: "why" }]);
    expect(JSON.stringify(body(foreign, "deepseek"))).not.toContain("why");
    expect(warningsOf(foreign, "deepseek")).toEqual([[WarningKind.STATE_DROPPED, "messages[0].parts[0].state"]]);
  });

  it("mark cache breakpoints where the server has them, and say so where it places them itself", () => {
    const parts: PartInit[] = [{ ...hello, cacheBreakpoint: { ttl: { seconds: 3600n } } }];
    expect(user(parts, "openrouter")).toEqual([
      { type: "text", text: "hi", cache_control: { type: "ephemeral", ttl: "1h" } },
    ]);
    expect(user(parts, "openai")).toBe("hi");
    expect(warningsOf(ask(parts), "openai")).toEqual([[WarningKind.EMULATED, "messages[0].parts[0].cache_breakpoint"]]);
  });
});

describe("tools", () => {
  it("keep the schema's own text", () => {
    const schema = '{"type":"object","properties":{"z":{},"1":{}}}';
    const translation = translate(
      { tools: [{ kind: { case: "function", value: { name: "f", parametersJsonSchema: schema } } }] },
      "openai",
    );
    expect(translation.kind === "request" && translation.request.body).toContain(`"parameters":${schema}`);
  });

  it("with a schema that is no JSON are refused before they are sent", () => {
    const tools: RequestInit["tools"] = [
      { kind: { case: "function", value: { name: "f", parametersJsonSchema: "{" } } },
    ];
    expect(translate({ tools }, "openai")).toMatchObject({
      kind: "unsupported",
      violations: [{ field: "tools[0].function.parameters_json_schema" }],
    });
  });

  it.each([
    [{ mode: ToolMode.AUTO }, "auto"],
    [{ mode: ToolMode.NONE }, "none"],
    [{ mode: ToolMode.REQUIRED }, "required"],
    [
      { mode: ToolMode.REQUIRED, allowedTools: ["time"] },
      { type: "function", function: { name: "time" } },
    ],
    [
      { mode: ToolMode.AUTO, allowedTools: ["time"] },
      {
        type: "allowed_tools",
        allowed_tools: { mode: "auto", tools: [{ type: "function", function: { name: "time" } }] },
      },
    ],
  ])("are chosen by %j", (toolChoice, expected) => {
    expect(body({ tools: weather, toolChoice }, "openai")["tool_choice"]).toEqual(expected);
  });

  it("that are not allowed are left out where there is no list of allowed ones", () => {
    const request = { tools: weather, toolChoice: { mode: ToolMode.AUTO, allowedTools: ["time"] } };
    expect(body(request, "groq")["tools"]).toMatchObject([{ function: { name: "time" } }]);
    expect(warningsOf(request, "groq")).toEqual([[WarningKind.EMULATED, "tool_choice.allowed_tools"]]);
  });

  it("of a provider are its own affair", () => {
    const tool = (type: string): RequestInit => ({
      tools: [{ kind: { case: "provider", value: { type, settings: { a: 1 } } } }],
    });
    expect(body(tool("web_search"), "openai")).toMatchObject({ web_search_options: { a: 1 } });
    expect(body(tool("groq.visit_website"), "groq")["tools"]).toEqual([{ type: "visit_website", a: 1 }]);
    expect(warningsOf(tool("anthropic.web_search"), "groq")).toEqual([
      [WarningKind.PARAMETER_DROPPED, "tools[0].provider"],
    ]);
    expect(translate(tool("web_search"), "vllm").kind).toBe("unsupported");
  });

  it("with free text exist at OpenAI only", () => {
    const tools: RequestInit["tools"] = [
      { kind: { case: "freeForm", value: { name: "sql", grammar: { case: "lark", value: "start: x" } } } },
    ];
    expect(body({ tools }, "openai")["tools"]).toEqual([
      {
        type: "custom",
        custom: { name: "sql", format: { type: "grammar", grammar: { syntax: "lark", definition: "start: x" } } },
      },
    ]);
    expect(translate({ tools }, "groq").kind).toBe("unsupported");
  });
});

describe("the form of the answer", () => {
  const closed = '{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}';
  const schema = (schemaJson: string): RequestInit => ({
    responseFormat: { format: { case: "jsonSchema", value: { schemaJson } } },
  });

  it("is exact by itself where the schema allows it", () => {
    const strictOf = (schemaJson: string) => body(schema(schemaJson), "openai")["response_format"];
    expect(strictOf(closed)).toMatchObject({ json_schema: { name: "response", strict: true } });
    expect(strictOf('{"type":"object","properties":{"a":{}}}')).not.toHaveProperty("json_schema.strict");
  });

  it("is asked for in words where the server has no schemas", () => {
    const sent = body(schema(closed), "deepseek");
    expect(sent["response_format"]).toEqual({ type: "json_object" });
    expect(JSON.stringify(sent["messages"])).toContain("additionalProperties");
    expect(warningsOf(schema(closed), "deepseek")).toEqual([[WarningKind.EMULATED, "response_format.json_schema"]]);
  });

  it("by a grammar goes where servers have grammars", () => {
    const grammar = (value: string): RequestInit => ({
      responseFormat: { format: { case: "grammar", value: { grammar: { case: "regex", value } } } },
    });
    expect(body(grammar("a+"), "vllm")).toMatchObject({ structured_outputs: { regex: "a+" } });
    expect(body(grammar("a+"), "tgi")).toMatchObject({ response_format: { type: "regex", value: "a+" } });
    expect(translate(grammar("a+"), "openai").kind).toBe("unsupported");
  });
});

describe("reasoning", () => {
  it.each([
    ["openai", { effort: ReasoningEffort.LOW }, { reasoning_effort: "low" }, []],
    ["openai", { effort: ReasoningEffort.MAX }, { reasoning_effort: "xhigh" }, ["reasoning.effort"]],
    ["openai", { budgetTokens: 5000 }, { reasoning_effort: "medium" }, ["reasoning.budget_tokens"]],
    ["openrouter", { budgetTokens: 5000 }, { reasoning: { max_tokens: 5000 } }, []],
    ["openrouter", { visibility: ReasoningVisibility.HIDDEN }, { reasoning: { exclude: true } }, []],
    ["deepseek", { effort: ReasoningEffort.NONE }, { thinking: { type: "disabled" } }, []],
    ["zai", { effort: ReasoningEffort.LOW }, { thinking: { type: "enabled" } }, ["reasoning.effort"]],
    ["alibaba", { budgetTokens: 100 }, { enable_thinking: true, thinking_budget: 100 }, []],
    ["vllm", { effort: ReasoningEffort.NONE }, { chat_template_kwargs: { enable_thinking: false } }, []],
    ["groq", { visibility: ReasoningVisibility.HIDDEN }, { reasoning_format: "hidden" }, []],
    ["tgi", { effort: ReasoningEffort.LOW }, {}, ["reasoning.effort"]],
    ["openai", { visibility: ReasoningVisibility.FULL }, {}, ["reasoning.visibility"]],
  ])("at %s: %j", (dialect, reasoning, expected, warned) => {
    const { model: _model, messages: _messages, ...rest } = body({ reasoning }, dialect);
    expect(rest).toEqual(expected);
    expect(warningsOf({ reasoning }, dialect).map(([, field]) => field)).toEqual(warned);
  });
});

describe("other output", () => {
  it("is spoken in the form that streams have", () => {
    const request = {
      outputModalities: [Modality.TEXT, Modality.AUDIO],
      audioOutput: { voice: "ash", mediaType: "audio/mpeg" },
    };
    expect(body(request, "openai")).toMatchObject({
      modalities: ["text", "audio"],
      audio: { voice: "ash", format: "mp3" },
    });
    expect(body(request, "openai", "m", "stream")).toMatchObject({ audio: { format: "pcm16" } });
    expect(translate(request, "groq").kind).toBe("unsupported");
  });
});

it.each([
  [{ dialect: "generic", baseUrl: "http://h:8000" }, "http://h:8000/v1/chat/completions"],
  [{ dialect: "vllm", baseUrl: "http://h:8000/v1/" }, "http://h:8000/v1/chat/completions"],
  [{ dialect: "groq" }, "https://api.groq.com/openai/v1/chat/completions"],
  [{ dialect: "deepseek" }, "https://api.deepseek.com/chat/completions"],
  [{ dialect: "zai" }, "https://api.z.ai/api/paas/v4/chat/completions"],
  [{ dialect: "zai", baseUrl: "http://h" }, "http://h/api/paas/v4/chat/completions"],
  [{ dialect: "xai", api: "responses" }, "https://api.x.ai/v1/responses"],
])("goes to the address of %j", (settings, expected) => {
  const provider = createProvider({ id: "mine", kind: "openai-compatible", ...settings });
  const translation = provider.chat?.toHttpRequest(create(CompleteRequestSchema, ask([hello])), "unary", {
    model: "m",
    facts: {},
  });
  expect(translation?.kind === "request" && translation.request.origin + translation.request.path).toBe(expected);
});

function ask(parts: PartInit[]): RequestInit {
  return { messages: [{ role: Role.USER, parts }] };
}

function conversation(answer: PartInit[], result: PartInit[]): RequestInit {
  const toolResult: PartInit = { content: { case: "toolResult", value: { callId: "c", content: result } } };
  const results = result.length === 0 ? [] : [{ role: Role.TOOL, parts: [toolResult] }];
  return { messages: [{ role: Role.ASSISTANT, parts: answer }, ...results] };
}

function translate(
  request: RequestInit,
  dialect: string,
  model = "m",
  mode: "unary" | "stream" = "unary",
): Translation {
  const kind = dialect === "openai" ? "openai" : "openai-compatible";
  const provider = createProvider({ id: "mine", kind, dialect, baseUrl: "http://h/v1" });
  const whole = create(CompleteRequestSchema, request);
  if (whole.messages.length === 0) whole.messages = create(CompleteRequestSchema, ask([hello])).messages;
  const translation = provider.chat?.toHttpRequest(whole, mode, { model, facts: {} });
  if (translation === undefined) throw new Error("no chat");
  return translation;
}

function body(
  request: RequestInit,
  dialect: string,
  model = "m",
  mode: "unary" | "stream" = "unary",
): Record<string, unknown> {
  const translation = translate(request, dialect, model, mode);
  if (translation.kind === "unsupported") throw new Error(JSON.stringify(translation.violations));
  return JSON.parse(String(translation.request.body));
}

function warningsOf(request: RequestInit, dialect: string, model = "m"): [WarningKind, string][] {
  const translation = translate(request, dialect, model);
  return translation.kind === "request" ? translation.warnings.map(({ kind, field }) => [kind, field]) : [];
}

function user(parts: PartInit[], dialect: string): unknown {
  const { messages } = body(ask(parts), dialect);
  return Array.isArray(messages) ? messages[0]?.content : undefined;
}
