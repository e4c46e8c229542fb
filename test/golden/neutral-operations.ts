// One request for each feature of the operations that are not chat; what the providers make of it stands in
// `operations/<feature>.txt`.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  EmbeddingEncoding,
  EmbeddingTask,
  EmbedRequestSchema,
  GenerateImagesRequestSchema,
  ModerateRequestSchema,
  RerankRequestSchema,
  StreamSpeechRequestSchema,
  TranscribeRequestSchema,
} from "../../src/contract.ts";
import type { Provider, Translation, TranslationContext } from "../../src/providers/provider.ts";

/** What a provider makes of one request; `undefined`: it has no such operation. */
export type NeutralOperation = (provider: Provider, context: TranslationContext) => Translation | undefined;

type Embed = Omit<Extract<MessageInitShape<typeof EmbedRequestSchema>, { inputs?: unknown }>, "$typeName" | "inputs">;

function text(words: string) {
  return { content: { case: "text" as const, value: { text: words } } };
}

const picture = { source: { case: "data" as const, value: new Uint8Array([137, 80, 78, 71]) }, mediaType: "image/png" };
const sound = { source: { case: "data" as const, value: new Uint8Array([1, 2, 3]) }, mediaType: "audio/mpeg" };

function embed(more: Embed, ...inputs: readonly string[]): NeutralOperation {
  const request = create(EmbedRequestSchema, { ...more, inputs: inputs.map((input) => ({ parts: [text(input)] })) });
  return (provider, context) => provider.embed?.toHttpRequest(request, context);
}

const embedPicture = create(EmbedRequestSchema, {
  inputs: [{ parts: [text("a boat"), { content: { case: "image", value: picture } }] }],
});
const providerOptions = { openai: { user: "u-1" }, cohere: { max_tokens: 9 }, gemini: { title: "T" } };

export const neutralOperations: Readonly<Record<string, NeutralOperation>> = {
  embed: embed({}, "first", "second"),
  "embed-all": embed(
    {
      dimensions: 256,
      task: EmbeddingTask.QUERY,
      encoding: EmbeddingEncoding.INT8,
      truncate: true,
      context: { endUserId: "user-7", providerOptions },
    },
    "first",
  ),
  "embed-binary-similarity": embed({ task: EmbeddingTask.SIMILARITY, encoding: EmbeddingEncoding.BINARY }, "first"),
  "embed-picture": (provider, context) => provider.embed?.toHttpRequest(embedPicture, context),
  rerank: (provider, context) =>
    provider.rerank?.toHttpRequest(
      create(RerankRequestSchema, { query: "boats", documents: ["a ship", "a car"], topN: 1 }),
      context,
    ),
  moderate: (provider, context) =>
    provider.moderate?.toHttpRequest(create(ModerateRequestSchema, { parts: [text("calm")] }), context),
  "moderate-picture": (provider, context) =>
    provider.moderate?.toHttpRequest(
      create(ModerateRequestSchema, { parts: [text("calm"), { content: { case: "image", value: picture } }] }),
      context,
    ),
  images: (provider, context) =>
    provider.generateImages?.toHttpRequest(
      create(GenerateImagesRequestSchema, { prompt: "a boat", imageCount: 2, size: "1024x1536", quality: "high" }),
      context,
    ),
  "images-wide": (provider, context) =>
    provider.generateImages?.toHttpRequest(
      create(GenerateImagesRequestSchema, {
        prompt: "a boat",
        aspectRatio: "16:9",
        mediaType: "image/webp",
        seed: 7n,
        context: { endUserId: "user-7" },
      }),
      context,
    ),
  "images-edit": (provider, context) =>
    provider.generateImages?.toHttpRequest(
      create(GenerateImagesRequestSchema, { prompt: "a bigger boat", inputImages: [picture], mask: picture }),
      context,
    ),
  speech: (provider, context) =>
    provider.speech?.toHttpRequest(
      create(StreamSpeechRequestSchema, {
        text: "Hello",
        voice: "nova",
        instructions: "cheerful",
        mediaType: "audio/wav",
        speed: 1.5,
        languageCode: "en",
      }),
      context,
    ),
  transcribe: (provider, context) =>
    provider.transcribe?.toHttpRequest(
      create(TranscribeRequestSchema, {
        audio: sound,
        languageCode: "en-GB",
        prompt: "names",
        includeSegments: true,
        includeWords: true,
        diarize: true,
      }),
      context,
    ),
  translate: (provider, context) =>
    provider.transcribe?.toHttpRequest(create(TranscribeRequestSchema, { audio: sound, translate: true }), context),
};
