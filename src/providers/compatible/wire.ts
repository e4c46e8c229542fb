// The fields that we read of an OpenAI-style chat completion, whole or as a stream's chunk. Everything is `unknown` until a
// reader has looked at it: servers differ in what they leave out, null or misspell.
// Reference: https://platform.openai.com/docs/api-reference/chat/object and …/chat/streaming

export type WireChunk = {
  readonly id?: unknown;
  readonly object?: unknown;
  readonly model?: unknown;
  readonly choices?: unknown;
  readonly usage?: unknown;
  readonly service_tier?: unknown;
  /** An object, or text alone (TGI, Venice, Hugging Face). */
  readonly error?: unknown;
  /** Groq: usage again, ids. */
  readonly x_groq?: unknown;
  /** Perplexity: addresses only; superseded by `search_results`. */
  readonly citations?: unknown;
  /** Perplexity. */
  readonly search_results?: unknown;
  /** Azure, Copilot. */
  readonly prompt_filter_results?: unknown;
  /** Azure: beside the choices instead of inside, on some versions. */
  readonly content_filter_results?: unknown;
  /** Venice: `{ usd }`. */
  readonly cost?: unknown;
};

export type WireChoice = {
  readonly index?: unknown;
  /** In streams. */
  readonly delta?: unknown;
  /** In whole answers; Perplexity sends it in streams too. */
  readonly message?: unknown;
  readonly finish_reason?: unknown;
  readonly native_finish_reason?: unknown;
  /** vLLM: the stop sequence (text) or stop token (number) that ended it. */
  readonly stop_reason?: unknown;
  /** SGLang's name for the same. */
  readonly matched_stop?: unknown;
  readonly logprobs?: unknown;
  readonly content_filter_results?: unknown;
  /** OpenRouter: the upstream failed in the middle. */
  readonly error?: unknown;
};

export type WireDelta = {
  readonly content?: unknown;
  readonly refusal?: unknown;
  /** DeepSeek, llama.cpp, z.ai, xAI, Venice, Moonshot, vLLM. */
  readonly reasoning_content?: unknown;
  /** Groq, OpenRouter, Ollama, Cerebras, newer vLLM. */
  readonly reasoning?: unknown;
  /** OpenRouter, Vercel: the same with signatures and ciphertext. */
  readonly reasoning_details?: unknown;
  readonly tool_calls?: unknown;
  /** OpenAI before November 2023, and servers written then. */
  readonly function_call?: unknown;
  readonly audio?: unknown;
  /** OpenRouter: generated images. */
  readonly images?: unknown;
  readonly annotations?: unknown;
  /** Groq's compound models: tools that Groq ran itself. */
  readonly executed_tools?: unknown;
};

export type WireToolCall = {
  readonly index?: unknown;
  readonly id?: unknown;
  readonly function?: unknown;
  readonly custom?: unknown;
  /** Gemini's compatible endpoint: thought signatures. */
  readonly extra_content?: unknown;
};
