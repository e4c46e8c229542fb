// The form of Cohere's embeddings, which its own API and Amazon Bedrock share: a type of input that must be named, several
// number formats made by the model itself.
import {
  type Embedding,
  EmbeddingEncoding,
  EmbeddingTask,
  type EmbedInput,
  type EmbedRequest,
  type Media,
} from "../contract.ts";
import { asArray, asObject } from "../wire/json.ts";
import { toDataUrl } from "./data-url.ts";
import { bytesOfText, toBatches } from "./embed-inputs.ts";
import { packed, readBytes, readFloats, toEmbedding } from "./embedding-form.ts";
import { notAnAnswer } from "./json-answer.ts";
import { type JsonOutObject, writeJson } from "./json-writer.ts";
import { providerOptionsOf } from "./provider-options.ts";
import type { TranslationLog } from "./translation-log.ts";

/** "Maximum number of texts per call is 96". */
const batchLimits = { itemsMax: 96, bytesMax: 2 << 20 } as const;

/** Bodies of the requests; `head`: members that the place of the API wants, such as the model. */
export function toEmbedBodies(
  request: EmbedRequest,
  head: JsonOutObject,
  aliases: readonly string[],
  log: TranslationLog,
): readonly JsonOutObject[] {
  const { context, dimensions, encoding, truncate } = request;
  if ((context?.endUserId ?? "") !== "") log.dropped("context.end_user_id", "the provider takes no ids of end users");
  const settings = {
    ...head,
    input_type: toInputType(request.task, log),
    embedding_types: [typeOf(encoding)],
    output_dimension: dimensions,
    truncate: truncate ? "END" : "NONE",
    ...providerOptionsOf(context?.providerOptions ?? {}, aliases),
  };
  const texts = request.inputs.map(textOf);
  if (texts.every((text) => text !== undefined)) {
    return toBatches(texts, batchLimits, bytesOfText).map((batch) => ({ ...settings, texts: batch }));
  }
  const inputs = request.inputs.map((input, index) => toMixed(input, `inputs[${index}]`, log));
  return toBatches(inputs, batchLimits, (input) => writeJson(input).length).map((batch) => ({
    ...settings,
    inputs: batch,
  }));
}

/** `undefined`: the input is more than one text. */
function textOf({ parts }: EmbedInput): string | undefined {
  const [only, second] = parts;
  return second === undefined && only?.content.case === "text" ? only.content.value.text : undefined;
}

/** Texts and images that give one vector together: from embed-v4 on. */
function toMixed(input: EmbedInput, field: string, log: TranslationLog): JsonOutObject {
  return {
    content: input.parts.map(({ content }, index) => {
      if (content.case === "text") return { type: "text", text: content.value.text };
      if (content.case === "image") return { type: "image_url", image_url: { url: toUrl(content.value) } };
      log.unsupported(`${field}.parts[${index}]`, "the provider embeds texts and images");
      return { type: "text", text: "" };
    }),
  };
}

function toUrl({ source, mediaType }: Media): string {
  return source.case === "data" ? toDataUrl(mediaType || "image/png", source.value) : (source.value ?? "");
}

const inputTypes: Readonly<Partial<Record<EmbeddingTask, string>>> = {
  [EmbeddingTask.QUERY]: "search_query",
  [EmbeddingTask.DOCUMENT]: "search_document",
  [EmbeddingTask.CLASSIFICATION]: "classification",
  [EmbeddingTask.CLUSTERING]: "clustering",
};

/** A type must be named: without a task the vectors are of documents. */
function toInputType(task: EmbeddingTask, log: TranslationLog): string {
  if (task === EmbeddingTask.SIMILARITY) log.adjusted("task", "the nearest task that the provider has is clustering");
  return inputTypes[task] ?? (task === EmbeddingTask.SIMILARITY ? "clustering" : "search_document");
}

function typeOf(encoding: EmbeddingEncoding): "float" | "int8" | "ubinary" {
  if (encoding === EmbeddingEncoding.INT8) return "int8";
  return encoding === EmbeddingEncoding.BINARY ? "ubinary" : "float";
}

/** `embeddings` of the answer: vectors by type, or, from older models on Bedrock, plain vectors. */
export function fromTypedEmbeddings(raw: unknown, encoding: EmbeddingEncoding): readonly Embedding[] {
  const type = typeOf(encoding);
  const rows = asArray(asObject(raw)?.[type]) ?? asArray(raw);
  if (rows === undefined) throw notAnAnswer("embeddings", "it has none of the type that was asked for");
  return rows.map((row) => {
    const bytes = type === "float" ? undefined : readBytes(row);
    if (bytes !== undefined) return packed(bytes);
    const values = readFloats(row);
    if (values === undefined) throw notAnAnswer("embeddings", "a vector is no list of numbers");
    return toEmbedding(values, encoding);
  });
}
