import type { Dialect, EffortWord, GrammarKind, SamplingName } from "./dialect.ts";

type Sampling = Readonly<Partial<Record<SamplingName, string>>>;

const base: Sampling = { temperature: "temperature", topP: "top_p", stopSequences: "stop" };
const penalties: Sampling = { frequencyPenalty: "frequency_penalty", presencePenalty: "presence_penalty" };
const logprobs: Sampling = { topLogprobs: "top_logprobs" };
/** What OpenAI has, but for `verbosity`, which is of its own models. */
const standard: Sampling = { ...base, ...penalties, ...logprobs, seed: "seed", logitBias: "logit_bias" };
/** What servers of open-weight models add. */
const open: Sampling = { ...standard, topK: "top_k", minP: "min_p", repetitionPenalty: "repetition_penalty" };

const threeEfforts: readonly EffortWord[] = ["low", "medium", "high"];

const noMedia = { image: false, audio: false, document: "none", video: false } as const;
const images = { ...noMedia, image: true } as const;

const functions = {
  functions: true,
  strict: false,
  custom: false,
  allowedTools: false,
  parallelToolCalls: true,
  required: "required",
  provided: {},
} as const;

const jsonSchema = { jsonObject: true, jsonSchema: true, strictByDefault: false, grammar: {} } as const;
const jsonObject = { ...jsonSchema, jsonSchema: false } as const;

/** A server of which nothing is known but that it calls itself compatible: what OpenAI's API had in 2024. */
const generic: Dialect = {
  id: "generic",
  name: undefined,
  baseUrl: undefined,
  path: "/v1/chat/completions",
  maxTokens: "max_tokens",
  sampling: standard,
  logprobs: "flag",
  systemRole: "system",
  names: true,
  media: { ...images, audio: true },
  tools: functions,
  responseFormat: jsonSchema,
  reasoning: { kind: "effort", words: threeEfforts },
  reasoningFormat: false,
  reasoningBack: "reasoning_content",
  streamOptions: true,
  endUser: "user",
  promptCacheKey: false,
  promptCacheRetention: false,
  cacheControl: false,
  serviceTier: false,
  outputModalities: [],
  thinkTags: false,
};

/** https://platform.openai.com/docs/api-reference/chat/create (2026-10). */
export const openAiDialect: Dialect = {
  ...generic,
  id: "openai",
  name: "openai",
  baseUrl: "https://api.openai.com",
  maxTokens: "max_completion_tokens",
  sampling: { ...standard, verbosity: "verbosity" },
  stopSequencesMax: 4,
  media: { image: true, audio: true, document: "inline", video: false },
  tools: {
    ...functions,
    strict: true,
    custom: true,
    allowedTools: true,
    provided: { web_search: { kind: "body", field: "web_search_options" } },
  },
  responseFormat: { ...jsonSchema, strictByDefault: true },
  reasoning: { kind: "effort", words: ["none", "minimal", "low", "medium", "high", "xhigh"] },
  reasoningBack: undefined,
  endUser: "safety_identifier",
  promptCacheKey: true,
  promptCacheRetention: true,
  serviceTier: true,
  outputModalities: ["audio"],
};

/** https://learn.microsoft.com/azure/ai-foundry/openai/latest (2026-10). */
export const azureDialect: Dialect = {
  ...openAiDialect,
  id: "azure-openai",
  name: "azure.ai.openai",
  baseUrl: undefined,
  endUser: "user",
  tools: { ...openAiDialect.tools, provided: {} },
};

/** https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html */
const vllm: Dialect = {
  ...generic,
  id: "vllm",
  sampling: open,
  media: { ...images, audio: true, video: true },
  tools: { ...functions, strict: true },
  responseFormat: {
    ...jsonSchema,
    // `structured_outputs` took the place of `guided_regex` and `guided_grammar` in 0.12.
    grammar: {
      regex: (regex) => ({ structured_outputs: { regex } }),
      ebnf: (grammar) => ({ structured_outputs: { grammar } }),
      lark: (grammar) => ({ structured_outputs: { grammar } }),
    },
  },
  reasoning: { kind: "template", words: threeEfforts },
  reasoningBack: "reasoning",
};

/** https://docs.ollama.com/api/openai-compatibility */
const ollama: Dialect = {
  ...generic,
  id: "ollama",
  baseUrl: "http://127.0.0.1:11434/v1",
  media: images,
  tools: { ...functions, parallelToolCalls: false },
  reasoning: { kind: "effort", words: ["none", ...threeEfforts] },
  reasoningBack: "reasoning",
  endUser: undefined,
};

/** https://github.com/ggml-org/llama.cpp/tree/master/tools/server */
const llamaCpp: Dialect = {
  ...generic,
  id: "llamacpp",
  sampling: { ...open, repetitionPenalty: "repeat_penalty" },
  responseFormat: { ...jsonSchema, grammar: { ebnf: (grammar) => ({ grammar }) } },
  reasoning: { kind: "template", words: [] },
  endUser: undefined,
};

/** https://huggingface.co/docs/text-generation-inference/reference/api_reference */
const tgi: Dialect = {
  ...generic,
  id: "tgi",
  media: images,
  tools: { ...functions, parallelToolCalls: false },
  responseFormat: { ...jsonSchema, grammar: { regex: (value) => ({ response_format: { type: "regex", value } }) } },
  reasoning: { kind: "none" },
  reasoningBack: undefined,
  endUser: undefined,
  thinkTags: true,
};

/** https://console.groq.com/docs/api-reference#chat-create */
const groq: Dialect = {
  ...generic,
  id: "groq",
  name: "groq",
  baseUrl: "https://api.groq.com/openai/v1",
  maxTokens: "max_completion_tokens",
  sampling: { ...base, seed: "seed" },
  stopSequencesMax: 4,
  media: images,
  tools: {
    ...functions,
    provided: {
      web_search: { kind: "tool", type: "browser_search" },
      code_execution: { kind: "tool", type: "code_interpreter" },
    },
  },
  reasoning: { kind: "effort", words: ["none", ...threeEfforts] },
  reasoningFormat: true,
  reasoningBack: "reasoning",
  serviceTier: true,
};

/** https://docs.together.ai/reference/chat-completions-1 */
const together: Dialect = {
  ...generic,
  id: "together",
  baseUrl: "https://api.together.xyz/v1",
  sampling: open,
  logprobs: "number",
  media: { ...images, video: true },
  responseFormat: { ...jsonSchema, grammar: { regex: (pattern) => ({ response_format: { type: "regex", pattern } }) } },
  reasoningBack: "reasoning",
  endUser: undefined,
  thinkTags: true,
};

/** https://docs.fireworks.ai/api-reference/post-chatcompletions */
const fireworks: Dialect = {
  ...generic,
  id: "fireworks",
  baseUrl: "https://api.fireworks.ai/inference/v1",
  sampling: open,
  media: images,
  responseFormat: {
    ...jsonSchema,
    grammar: { ebnf: (grammar) => ({ response_format: { type: "grammar", grammar } }) },
  },
  reasoning: { kind: "effort", words: ["none", ...threeEfforts] },
  serviceTier: true,
  promptCacheKey: true,
  thinkTags: true,
};

/** https://api-docs.deepseek.com/api/create-chat-completion */
const deepSeek: Dialect = {
  ...generic,
  id: "deepseek",
  name: "deepseek",
  baseUrl: "https://api.deepseek.com",
  path: "/chat/completions",
  sampling: { ...base, ...penalties, ...logprobs },
  stopSequencesMax: 16,
  media: noMedia,
  tools: { ...functions, strict: true, parallelToolCalls: false },
  responseFormat: jsonObject,
  reasoning: { kind: "thinking", words: ["low", "high", "max"] },
  endUser: undefined,
};

/** https://docs.x.ai/docs/api-reference#chat-completions */
const xAi: Dialect = {
  ...generic,
  id: "xai",
  name: "x_ai",
  baseUrl: "https://api.x.ai/v1",
  maxTokens: "max_completion_tokens",
  media: images,
  tools: { ...functions, strict: true },
  reasoning: { kind: "effort", words: ["low", "high"] },
};

/** https://openrouter.ai/docs/api-reference/overview */
const openRouter: Dialect = {
  ...generic,
  id: "openrouter",
  baseUrl: "https://openrouter.ai/api/v1",
  sampling: { ...open, verbosity: "verbosity" },
  media: { image: true, audio: true, document: "url", video: true },
  tools: { ...functions, strict: true, provided: { web_search: { kind: "tool", type: "openrouter:web_search" } } },
  reasoning: { kind: "object", words: ["none", "minimal", "low", "medium", "high", "xhigh"] },
  reasoningBack: "reasoning_details",
  cacheControl: true,
  serviceTier: true,
  outputModalities: ["image", "audio"],
};

/** https://vercel.com/docs/ai-gateway/sdks-and-apis/openai-chat-completions */
const vercel: Dialect = {
  ...openRouter,
  id: "vercel",
  baseUrl: "https://ai-gateway.vercel.sh/v1",
  sampling: standard,
  tools: { ...functions, strict: true },
  media: { image: true, audio: false, document: "inline", video: false },
  serviceTier: false,
  outputModalities: ["image"],
};

/** https://docs.perplexity.ai/api-reference/chat-completions-post */
const perplexity: Dialect = {
  ...generic,
  id: "perplexity",
  name: "perplexity",
  baseUrl: "https://api.perplexity.ai",
  path: "/chat/completions",
  sampling: { ...base, ...penalties, topK: "top_k" },
  media: images,
  tools: {
    ...functions,
    functions: false,
    parallelToolCalls: false,
    provided: { web_search: { kind: "body", field: "web_search_options" } },
  },
  responseFormat: {
    ...jsonSchema,
    jsonObject: false,
    grammar: { regex: (regex) => ({ response_format: { type: "regex", regex: { regex } } }) },
  },
  reasoning: { kind: "effort", words: ["minimal", ...threeEfforts] },
  reasoningBack: undefined,
  streamOptions: false,
  endUser: undefined,
  thinkTags: true,
};

/** https://inference-docs.cerebras.ai/api-reference/chat-completions */
const cerebras: Dialect = {
  ...generic,
  id: "cerebras",
  baseUrl: "https://api.cerebras.ai/v1",
  maxTokens: "max_completion_tokens",
  sampling: { ...base, ...logprobs, seed: "seed" },
  stopSequencesMax: 4,
  media: noMedia,
  tools: { ...functions, strict: true },
  reasoning: { kind: "effort", words: ["none", ...threeEfforts] },
  reasoningBack: "reasoning",
  serviceTier: true,
};

/** https://platform.moonshot.ai/docs/api/chat */
const moonshot: Dialect = {
  ...generic,
  id: "moonshot",
  baseUrl: "https://api.moonshot.ai/v1",
  sampling: { ...base, ...penalties },
  stopSequencesMax: 5,
  media: { ...images, video: true },
  tools: { ...functions, parallelToolCalls: false, required: undefined },
  reasoning: { kind: "thinking", words: [] },
  endUser: undefined,
  promptCacheKey: true,
};

/** https://www.alibabacloud.com/help/en/model-studio/use-qwen-by-calling-api */
const alibaba: Dialect = {
  ...generic,
  id: "alibaba",
  baseUrl: "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
  sampling: { ...base, ...logprobs, presencePenalty: "presence_penalty", topK: "top_k", seed: "seed" },
  media: { image: true, audio: true, document: "none", video: true },
  tools: { ...functions, required: undefined },
  reasoning: { kind: "enable-thinking" },
  cacheControl: true,
  endUser: undefined,
};

/** Through the OpenAI-compatible model gateway: https://www.ibm.com/docs/en/watsonx/saas?topic=gateway-using-model */
const watsonx: Dialect = {
  ...generic,
  id: "watsonx",
  name: "ibm.watsonx.ai",
  media: images,
  tools: { ...functions, parallelToolCalls: false },
  responseFormat: jsonSchema,
  endUser: undefined,
};

/** https://huggingface.co/docs/inference-providers/tasks/chat-completion */
const huggingFace: Dialect = {
  ...generic,
  id: "huggingface",
  baseUrl: "https://router.huggingface.co/v1",
  media: images,
  tools: { ...functions, parallelToolCalls: false },
  endUser: undefined,
  thinkTags: true,
};

/** https://docs.venice.ai/api-reference/endpoint/chat/completions */
const venice: Dialect = {
  ...generic,
  id: "venice",
  baseUrl: "https://api.venice.ai/api/v1",
  maxTokens: "max_completion_tokens",
  sampling: open,
  stopSequencesMax: 4,
  media: { ...images, audio: true, video: true },
  promptCacheKey: true,
};

/** https://docs.z.ai/api-reference/llm/chat-completion */
const zai: Dialect = {
  ...generic,
  id: "zai",
  baseUrl: "https://api.z.ai/api/paas/v4",
  path: "/api/paas/v4/chat/completions",
  sampling: base,
  stopSequencesMax: 1,
  media: { ...images, video: true, document: "url" },
  tools: {
    ...functions,
    parallelToolCalls: false,
    required: undefined,
    provided: { web_search: { kind: "tool", type: "web_search" } },
  },
  responseFormat: jsonObject,
  reasoning: { kind: "thinking", words: [] },
};

/** https://docs.ai21.com/reference/jamba-1-6-api-ref */
const ai21: Dialect = {
  ...generic,
  id: "ai21",
  baseUrl: "https://api.ai21.com/studio/v1",
  sampling: base,
  media: noMedia,
  tools: { ...functions, parallelToolCalls: false, required: undefined },
  responseFormat: jsonObject,
  reasoning: { kind: "none" },
  reasoningBack: undefined,
  streamOptions: false,
  endUser: undefined,
};

const rows = [
  generic,
  vllm,
  ollama,
  llamaCpp,
  tgi,
  groq,
  together,
  fireworks,
  deepSeek,
  xAi,
  openRouter,
  vercel,
  perplexity,
  cerebras,
  moonshot,
  alibaba,
  watsonx,
  huggingFace,
  venice,
  zai,
  ai21,
] as const satisfies readonly Dialect[];

const rowById: ReadonlyMap<string, Dialect> = new Map(rows.map((row) => [row.id, row]));

/** Names for `dialect:` in the config, in the order of the table. */
export const dialectIds: readonly string[] = rows.map((row) => row.id);

/** A row of the table. Throws one readable line with the known names when there is none. */
export function dialectNamed(id: string): Dialect {
  const row = rowById.get(id);
  if (row === undefined) throw new Error(`unknown dialect "${id}"; known: ${dialectIds.join(", ")}`);
  return row;
}

/** Kinds of grammar in words, for messages. */
export const grammarNames = {
  regex: "regular expressions",
  ebnf: "EBNF grammars",
  lark: "Lark grammars",
} as const satisfies Record<GrammarKind, string>;
