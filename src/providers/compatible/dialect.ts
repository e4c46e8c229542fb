// How one OpenAI-style server differs from the next, as data. A request is built from its row; an answer is read the same
// everywhere (see answer.ts), but for `thinkTags`.
import type { JsonOutObject } from "../json-writer.ts";

/** Sampling parameters that servers may lack; the names are those of `SamplingParams`. */
export type SamplingName =
  | "temperature"
  | "topP"
  | "topK"
  | "minP"
  | "frequencyPenalty"
  | "presencePenalty"
  | "repetitionPenalty"
  | "seed"
  | "stopSequences"
  | "logitBias"
  | "topLogprobs"
  | "verbosity";

/** Effort words in OpenAI's spelling, weakest first. */
export type EffortWord = "none" | "minimal" | "low" | "medium" | "high" | "xhigh" | "max";

/** How reasoning is asked for. */
export type ReasoningForm =
  | { readonly kind: "none" }
  /** `reasoning_effort`, with the words that the server takes, weakest first. */
  | { readonly kind: "effort"; readonly words: readonly EffortWord[] }
  /** `reasoning: { effort | max_tokens, exclude }` (OpenRouter, Vercel). */
  | { readonly kind: "object"; readonly words: readonly EffortWord[] }
  /** `thinking: { type }` (DeepSeek, z.ai, Moonshot), and `reasoning_effort` where there are words for it. */
  | { readonly kind: "thinking"; readonly words: readonly EffortWord[] }
  /** `enable_thinking`, `thinking_budget` (Alibaba). */
  | { readonly kind: "enable-thinking" }
  /** `chat_template_kwargs: { enable_thinking }` (vLLM, llama.cpp), and `reasoning_effort` where there are words for it. */
  | { readonly kind: "template"; readonly words: readonly EffortWord[] };

export type GrammarKind = "regex" | "ebnf" | "lark";

export type Dialect = {
  /** Name of the row: `dialect:` in the config. */
  readonly id: string;
  /** `gen_ai.provider.name`; `undefined`: the id of the config entry. */
  readonly name: string | undefined;
  /** Address with its path, to which "/chat/completions" is appended; `undefined`: `base_url` must be given. */
  readonly baseUrl: string | undefined;
  /** Whole path at a `base_url` without one. */
  readonly path: string;
  readonly maxTokens: "max_tokens" | "max_completion_tokens";
  /** Wire name of each sampling parameter that the server has. */
  readonly sampling: Readonly<Partial<Record<SamplingName, string>>>;
  /** Most stop sequences; `undefined`: no limit known. */
  readonly stopSequencesMax?: number | undefined;
  /** `logprobs: true, top_logprobs: n`, or the number alone (Together). */
  readonly logprobs: "flag" | "number";
  readonly systemRole: "system" | "developer";
  /** `name` on messages. */
  readonly names: boolean;
  /** Kinds of part in user messages. */
  readonly media: {
    readonly image: boolean;
    readonly audio: boolean;
    /** `file` parts; "url": addresses too. */
    readonly document: "none" | "inline" | "url";
    /** `video_url` parts. */
    readonly video: boolean;
  };
  readonly tools: {
    readonly functions: boolean;
    /** `strict` on functions. */
    readonly strict: boolean;
    /** Tools with free text. */
    readonly custom: boolean;
    /** `tool_choice: { type: "allowed_tools" }`. */
    readonly allowedTools: boolean;
    readonly parallelToolCalls: boolean;
    /** Word for "at least one call". */
    readonly required: "required" | "any" | undefined;
    /** Tools that the server runs: portable name → what the settings become in the body, or an entry of `tools`. */
    readonly provided: Readonly<Record<string, ProvidedTool>>;
  };
  readonly responseFormat: {
    readonly jsonObject: boolean;
    readonly jsonSchema: boolean;
    /** The server checks that strict schemas are closed, so `strict` is only set by itself where the schema is. */
    readonly strictByDefault: boolean;
    /** Members of the body for each kind of grammar. */
    readonly grammar: Readonly<Partial<Record<GrammarKind, (grammar: string) => JsonOutObject>>>;
  };
  readonly reasoning: ReasoningForm;
  /** Groq: `reasoning_format` shows or hides. */
  readonly reasoningFormat: boolean;
  /** Where the reasoning of earlier turns goes; `undefined`: the server does not want it. */
  readonly reasoningBack: "reasoning_content" | "reasoning" | "reasoning_details" | undefined;
  /** `stream_options: { include_usage }`; false: usage comes by itself. */
  readonly streamOptions: boolean;
  readonly endUser: "user" | "safety_identifier" | undefined;
  readonly promptCacheKey: boolean;
  /** `prompt_cache_retention` (OpenAI). */
  readonly promptCacheRetention: boolean;
  /** `cache_control` on parts and tools, as Anthropic has it. */
  readonly cacheControl: boolean;
  readonly serviceTier: boolean;
  /** `modalities` beside text; audio wants `audio: { voice, format }`. */
  readonly outputModalities: readonly ("image" | "audio")[];
  readonly thinkTags: boolean;
};

export type ProvidedTool =
  /** A member of the body, e.g. `web_search_options`. */
  | { readonly kind: "body"; readonly field: string }
  /** An entry of `tools` with this `type`. */
  | { readonly kind: "tool"; readonly type: string };
