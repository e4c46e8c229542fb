import type { Dialect } from "../compatible/dialect.ts";
import { dialectNamed } from "../compatible/dialects.ts";

const generic = dialectNamed("generic");

/** What Mistral's API shares with the family (docs.mistral.ai/api/endpoint/chat, 2026-10); the rest is in `request.ts`. */
export const mistralDialect: Dialect = {
  ...generic,
  id: "mistral",
  name: "mistral_ai",
  baseUrl: "https://api.mistral.ai",
  sampling: {
    temperature: "temperature",
    topP: "top_p",
    frequencyPenalty: "frequency_penalty",
    presencePenalty: "presence_penalty",
    seed: "random_seed",
    stopSequences: "stop",
    topLogprobs: "top_logprobs",
  },
  names: false,
  media: { image: true, audio: true, document: "url", video: false },
  tools: { ...generic.tools, strict: true, required: "any" },
  // Magistral and later models show their thinking in the content, and take it back there.
  reasoningBack: "reasoning_content",
  streamOptions: false,
  endUser: undefined,
  promptCacheKey: true,
  serviceTier: true,
};
