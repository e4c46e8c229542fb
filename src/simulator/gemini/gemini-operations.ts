// Embeddings and images of Google's models: `batchEmbedContents` and `embedContent` (ai.google.dev/api/embeddings), and
// `predict`, which Imagen and, on Vertex AI, the text embeddings share.
import { asArray, asNumber, asObject, asString, type JsonRecord } from "../../wire/json.ts";
import { jsonAsked, plainQuestion } from "../operations/plain-asked.ts";
import { solidPng } from "../operations/solid-png.ts";
import { hashOfText, wordVector } from "../operations/word-vector.ts";
import { type Asked, WireProblem } from "../wire.ts";

const dimensionsDefault = 768;
const requestsMax = 100;
const imagesMax = 4;
/** As of Gemini 2.5 Flash Image. */
const tokensPerImage = 1_290;

export type GeminiOperation = "batchEmbedContents" | "embedContent" | "predict" | "draw";

/** The operation that the verb of an address names. */
export function toGeminiOperation(verb: string): GeminiOperation | undefined {
  return (["batchEmbedContents", "embedContent", "predict"] as const).find((name) => name === verb);
}

export function readGeminiOperation(operation: GeminiOperation, body: JsonRecord, model: string): Asked {
  switch (operation) {
    case "batchEmbedContents":
      return readBatch(body, model);
    case "embedContent":
      return readSingle(body, model);
    case "predict":
      return asString(asObject(asArray(body["instances"])?.[0])?.["prompt"]) === undefined
        ? readTextEmbeddings(body, model)
        : readImagen(body, model);
    case "draw":
      return readDrawing(body, model);
  }
}

function readBatch(body: JsonRecord, model: string): Asked {
  const requests = (asArray(body["requests"]) ?? []).map((request) => asObject(request) ?? {});
  if (requests.length === 0 || requests.length > requestsMax)
    throw new WireProblem("from 1 to 100 requests are allowed");
  const texts = requests.map((request) => textOf(request["content"]));
  return jsonAsked(plainQuestion(model, texts), () => ({
    embeddings: requests.map((request, index) => ({
      values: wordVector(texts[index] ?? "", dimensionsOf(request["outputDimensionality"])),
    })),
  }));
}

function readSingle(body: JsonRecord, model: string): Asked {
  const text = textOf(body["content"]);
  const question = plainQuestion(model, [text]);
  return jsonAsked(question, () => ({
    embedding: { values: wordVector(text, dimensionsOf(body["outputDimensionality"])) },
    usageMetadata: { promptTokenCount: question.inputTokens, totalTokenCount: question.inputTokens },
  }));
}

function readTextEmbeddings(body: JsonRecord, model: string): Asked {
  const texts = (asArray(body["instances"]) ?? []).map((one) => asString(asObject(one)?.["content"]) ?? "");
  if (texts.length === 0) throw new WireProblem("instances are required");
  const dimensions = dimensionsOf(asObject(body["parameters"])?.["outputDimensionality"]);
  return jsonAsked(plainQuestion(model, texts), () => ({
    predictions: texts.map((text) => ({
      embeddings: {
        values: wordVector(text, dimensions),
        statistics: { token_count: plainQuestion(model, [text]).inputTokens, truncated: false },
      },
    })),
  }));
}

function readImagen(body: JsonRecord, model: string): Asked {
  const prompts = (asArray(body["instances"]) ?? []).map((one) => asString(asObject(one)?.["prompt"]) ?? "");
  const count = asNumber(asObject(body["parameters"])?.["sampleCount"]) ?? 1;
  if (!(Number.isInteger(count) && count >= 1 && count <= imagesMax))
    throw new WireProblem("sampleCount is out of range");
  return jsonAsked(plainQuestion(model, prompts), ({ controls }) => ({
    predictions: controls.contentFilter
      ? [{ raiFilteredReason: "the prompt goes against the rules" }]
      : Array.from({ length: count }, (_value, index) => ({
          mimeType: "image/png",
          bytesBase64Encoded: solidPng(hashOfText(`${prompts.join(" ")}\n${index}`)).toString("base64"),
        })),
  }));
}

/** `generateContent` that asks for pictures alone. */
function readDrawing(body: JsonRecord, model: string): Asked {
  const prompt = (asArray(body["contents"]) ?? []).map(textOf).join("\n");
  const seed = asNumber(asObject(body["generationConfig"])?.["seed"]) ?? 0;
  const question = plainQuestion(model, [prompt]);
  return jsonAsked(question, ({ controls }) => ({
    candidates: [
      controls.contentFilter
        ? { finishReason: "IMAGE_SAFETY" }
        : {
            content: {
              role: "model",
              parts: [
                {
                  inlineData: {
                    mimeType: "image/png",
                    data: solidPng(hashOfText(`${prompt}\n${seed}`)).toString("base64"),
                  },
                },
              ],
            },
            finishReason: "STOP",
          },
    ],
    usageMetadata: {
      promptTokenCount: question.inputTokens,
      candidatesTokenCount: tokensPerImage,
      totalTokenCount: question.inputTokens + tokensPerImage,
      candidatesTokensDetails: [{ modality: "IMAGE", tokenCount: tokensPerImage }],
    },
    modelVersion: model,
  }));
}

function textOf(content: unknown): string {
  const parts = asArray(asObject(content)?.["parts"]) ?? [];
  return parts.map((part) => asString(asObject(part)?.["text"]) ?? "").join(" ");
}

function dimensionsOf(raw: unknown): number {
  const dimensions = asNumber(raw) ?? dimensionsDefault;
  if (!(dimensions >= 1 && dimensions <= 3_072)) throw new WireProblem("outputDimensionality is out of range");
  return dimensions;
}
