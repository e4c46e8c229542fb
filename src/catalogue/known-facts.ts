// What providers document of their model families, beside the context window that comes with the prices. Only what is
// certain stands here: a wrong fact refuses a request that would have worked, an absent one refuses nothing.
import type { ModelFacts } from "../domain/target.ts";

type Family = { readonly model: RegExp; readonly facts: ModelFacts };

const embeds = { operations: ["embed"], outputModalities: ["embedding"], tools: false, reasoning: false } as const;
const draws = { operations: ["generateImages"], outputModalities: ["image"] } as const;
const speaks = { operations: ["speech"], inputModalities: ["text"], outputModalities: ["audio"] } as const;
const hears = { operations: ["transcribe"], inputModalities: ["text", "audio"], outputModalities: ["text"] } as const;
const textOut = { outputModalities: ["text"] } as const;
const textAndImage = { inputModalities: ["text", "image"] } as const;
const textImageDocument = { inputModalities: ["text", "image", "document"] } as const;
const everyMedium = { inputModalities: ["text", "image", "audio", "video", "document"] } as const;

/**
 * In order; the first match counts. Patterns also meet names with a vendor prefix ("anthropic.claude-…", "openai/gpt-…").
 * https://platform.openai.com/docs/models, https://platform.claude.com/docs/en/about-claude/models/overview,
 * https://ai.google.dev/gemini-api/docs/models, seen 2026-11.
 */
const families: readonly Family[] = [
  { model: /embed/, facts: embeds },
  { model: /rerank/, facts: { operations: ["rerank"], inputModalities: ["text"] } },
  { model: /moderation/, facts: { operations: ["moderate"], inputModalities: ["text", "image"] } },
  { model: /dall-e|gpt-image|imagen|^sim-image/, facts: draws },
  { model: /(^|[./])tts-1|gpt-4o-mini-tts|^sim-(speech|tts)/, facts: speaks },
  { model: /whisper|gpt-.*transcribe|^sim-transcribe/, facts: hears },
  // They draw as part of the conversation, and on request alone.
  { model: /gemini-.*image/, facts: { operations: ["chat", "generateImages"], inputModalities: ["text", "image"] } },
  {
    model: /^sim-/,
    facts: { contextWindow: 200_000, maxOutputTokens: 32_768, tools: true, jsonSchema: true, ...textOut },
  },
  {
    model: /gpt-4o-(mini-)?audio|gpt-audio/,
    facts: {
      maxOutputTokens: 16_384,
      inputModalities: ["text", "audio"],
      outputModalities: ["text", "audio"],
      tools: true,
      reasoning: false,
    },
  },
  { model: /gpt-4o-(mini-)?(realtime|search)/, facts: {} },
  {
    model: /gpt-4o/,
    facts: {
      contextWindow: 128_000,
      maxOutputTokens: 16_384,
      ...textImageDocument,
      ...textOut,
      tools: true,
      jsonSchema: true,
      reasoning: false,
    },
  },
  {
    model: /gpt-4\.1/,
    facts: {
      contextWindow: 1_047_576,
      maxOutputTokens: 32_768,
      ...textImageDocument,
      ...textOut,
      tools: true,
      jsonSchema: true,
      reasoning: false,
    },
  },
  {
    model: /gpt-5(\.\d)?-chat/,
    facts: { contextWindow: 128_000, maxOutputTokens: 16_384, ...textImageDocument, ...textOut },
  },
  {
    model: /gpt-5/,
    facts: {
      maxOutputTokens: 128_000,
      ...textImageDocument,
      ...textOut,
      tools: true,
      jsonSchema: true,
      reasoning: true,
    },
  },
  { model: /(^|[./])o[134](-mini|-pro)?(-\d{4}|$)/, facts: { maxOutputTokens: 100_000, reasoning: true, ...textOut } },
  {
    model: /gpt-3\.5-turbo/,
    facts: { maxOutputTokens: 4_096, inputModalities: ["text"], ...textOut, jsonSchema: false, reasoning: false },
  },
  {
    model: /claude-3-haiku|claude-3-opus|claude-3-sonnet/,
    facts: {
      contextWindow: 200_000,
      maxOutputTokens: 4_096,
      ...textAndImage,
      ...textOut,
      tools: true,
      reasoning: false,
    },
  },
  {
    model: /claude-3[-.]5/,
    facts: {
      contextWindow: 200_000,
      maxOutputTokens: 8_192,
      ...textImageDocument,
      ...textOut,
      tools: true,
      reasoning: false,
    },
  },
  {
    model: /claude-3[-.]7/,
    facts: {
      contextWindow: 200_000,
      maxOutputTokens: 64_000,
      ...textImageDocument,
      ...textOut,
      tools: true,
      reasoning: true,
    },
  },
  {
    model: /claude-opus-4(-1)?(-20|@|$)/,
    facts: {
      contextWindow: 200_000,
      maxOutputTokens: 32_000,
      ...textImageDocument,
      ...textOut,
      tools: true,
      reasoning: true,
    },
  },
  {
    model: /claude-(sonnet-4|haiku-4|opus-4-5)/,
    facts: { maxOutputTokens: 64_000, ...textImageDocument, ...textOut, tools: true, reasoning: true },
  },
  { model: /claude-/, facts: { ...textImageDocument, ...textOut, tools: true } },
  { model: /gemini-.*(tts|live)/, facts: {} },
  {
    model: /gemini-2\.0/,
    facts: {
      contextWindow: 1_048_576,
      maxOutputTokens: 8_192,
      ...everyMedium,
      ...textOut,
      tools: true,
      jsonSchema: true,
    },
  },
  {
    model: /gemini-2\.5|gemini-3/,
    facts: {
      contextWindow: 1_048_576,
      maxOutputTokens: 65_536,
      ...everyMedium,
      ...textOut,
      tools: true,
      jsonSchema: true,
      reasoning: true,
    },
  },
];

/** Facts of the first family that the name belongs to; empty for an unknown one. */
export function knownFacts(model: string): ModelFacts {
  const name = model.toLowerCase();
  return families.find((family) => family.model.test(name))?.facts ?? {};
}
