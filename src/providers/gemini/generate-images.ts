// Images of Google's models: Gemini draws as part of an answer (ai.google.dev/gemini-api/docs/image-generation), one image a
// request; Imagen has a method of its own, several at once (ai.google.dev/gemini-api/docs/imagen).
import { create } from "@bufbuild/protobuf";
import {
  GeneratedImageSchema,
  type GenerateImagesRequest,
  SafetyAction,
  type SafetyFinding,
  SafetyFindingSchema,
  SafetySubject,
  UsageSchema,
  UsageSource,
} from "../../contract.ts";
import type { HttpRequest, HttpResponse } from "../../domain/http.ts";
import type { GeneratedImages } from "../../domain/operation-results.ts";
import { ProviderFailure } from "../../domain/provider-failure.ts";
import { asArray, asObject, asString, type JsonRecord } from "../../wire/json.ts";
import { fromBase64, toBase64 } from "../data-url.ts";
import { notAnAnswer, readJsonAnswer } from "../json-answer.ts";
import type { JsonOutObject } from "../json-writer.ts";
import { toMediaBytes } from "../media-bytes.ts";
import { toTranslation } from "../post-json.ts";
import type { UnaryOperation } from "../provider.ts";
import { providerOptionsOf } from "../provider-options.ts";
import { createTranslationLog, type TranslationLog } from "../translation-log.ts";
import { toFailureInside } from "./failure.ts";
import { toUsage } from "./usage.ts";

export type ImageRules = {
  readonly aliases: readonly string[];
  /** How findings name the provider. */
  readonly source: string;
  readonly send: (model: string, method: string, body: JsonOutObject) => HttpRequest;
};

export function createGeminiImages(rules: ImageRules): UnaryOperation<GenerateImagesRequest, GeneratedImages> {
  return {
    toHttpRequest(request, { model }) {
      const log = createTranslationLog();
      const count = request.imageCount ?? 1;
      if ((request.context?.endUserId ?? "") !== "") {
        log.dropped("context.end_user_id", "the provider takes no ids of end users");
      }
      if (isImagen(model)) {
        const body = toPredictBody(request, count, rules, log);
        return toTranslation(log, () => [rules.send(model, "predict", body)]);
      }
      const bodies = toGenerateBodies(request, count, rules, log);
      return toTranslation(log, () => bodies.map((body) => rules.send(model, "generateContent", body)));
    },
    fromHttpResponse: (response, _request, { model }) =>
      isImagen(model) ? fromPrediction(response, rules.source) : fromAnswer(response, rules.source),
  };
}

function isImagen(model: string): boolean {
  return /imagen/.test(model);
}

function toGenerateBodies(
  request: GenerateImagesRequest,
  count: number,
  rules: ImageRules,
  log: TranslationLog,
): readonly JsonOutObject[] {
  const { prompt, inputImages, mask, mediaType, seed, context } = request;
  if (mask !== undefined) log.dropped("mask", "the model takes no masks: say in words what may change");
  if (mediaType !== "" && mediaType !== "image/png") log.adjusted("media_type", "the model chooses the type");
  const images = inputImages.flatMap((image, index) => {
    const bytes = toMediaBytes(image, `input_images[${index}]`, log);
    if (bytes === undefined) return [];
    return [{ inlineData: { mimeType: bytes.mediaType || "image/png", data: toBase64(bytes.data) } }];
  });
  const imageConfig = { aspectRatio: toAspectRatio(request, log), imageSize: toImageSize(request.quality, log) };
  const hasConfig = imageConfig.aspectRatio !== undefined || imageConfig.imageSize !== undefined;
  return Array.from({ length: count }, (_value, index) => ({
    contents: [{ role: "user", parts: [...images, { text: prompt }] }],
    generationConfig: {
      responseModalities: ["IMAGE"],
      // The same seed would give the same image again.
      seed: seed === undefined ? undefined : Number(BigInt.asIntN(32, seed + BigInt(index))),
      imageConfig: hasConfig ? imageConfig : undefined,
    },
    ...providerOptionsOf(context?.providerOptions ?? {}, rules.aliases),
  }));
}

function toPredictBody(
  request: GenerateImagesRequest,
  sampleCount: number,
  rules: ImageRules,
  log: TranslationLog,
): JsonOutObject {
  const { prompt, inputImages, mask, mediaType, seed, context } = request;
  if (inputImages.length > 0) log.unsupported("input_images", "the model takes no images here");
  if (mask !== undefined) log.unsupported("mask", "the model takes no images here");
  const isKnownType = mediaType === "image/png" || mediaType === "image/jpeg";
  if (mediaType !== "" && !isKnownType) log.adjusted("media_type", "the model gives PNG and JPEG only");
  if (seed !== undefined) log.dropped("seed", "the model takes no seed while it marks its images");
  const parameters = {
    sampleCount,
    aspectRatio: toAspectRatio(request, log),
    sampleImageSize: toImageSize(request.quality, log),
    outputOptions: isKnownType ? { mimeType: mediaType } : undefined,
    includeRaiReason: true,
  };
  return { instances: [{ prompt }], parameters, ...providerOptionsOf(context?.providerOptions ?? {}, rules.aliases) };
}

/** The models know aspect ratios; a size in pixels gives the ratio of its sides. */
function toAspectRatio({ size, aspectRatio }: GenerateImagesRequest, log: TranslationLog): string | undefined {
  if (aspectRatio !== "") {
    if (size !== "") log.dropped("size", "the aspect ratio was taken instead");
    return aspectRatio;
  }
  if (size === "") return undefined;
  const [width = 0, height = 0] = size.split("x").map(Number);
  const divisor = greatestCommonDivisor(width, height);
  if (divisor === 0) {
    log.dropped("size", "no image has no pixels");
    return undefined;
  }
  const ratio = `${width / divisor}:${height / divisor}`;
  log.adjusted("size", `the model takes the aspect ratio ${ratio} only`);
  return ratio;
}

function greatestCommonDivisor(left: number, right: number): number {
  return right === 0 ? left : greatestCommonDivisor(right, left % right);
}

/** "1K", "2K", "4K" are the only words for quality there are. */
function toImageSize(quality: string, log: TranslationLog): string | undefined {
  if (quality === "") return undefined;
  if (/^[124]K$/.test(quality)) return quality;
  log.dropped("quality", "the model knows 1K, 2K and 4K only");
  return undefined;
}

function fromAnswer(response: HttpResponse, source: string): GeneratedImages {
  const body = readJsonAnswer(response.body, "images");
  if (body["error"] !== undefined) throw toFailureInside(body);
  const blockReason = asString(asObject(body["promptFeedback"])?.["blockReason"]);
  if (blockReason !== undefined) {
    throw new ProviderFailure("content-filtered", "the provider's filter blocked the prompt", {
      providerCode: blockReason,
    });
  }
  const candidates = (asArray(body["candidates"]) ?? []).map((candidate) => asObject(candidate) ?? {});
  if (candidates.length === 0) throw notAnAnswer("images", "it has no candidates");
  const images = candidates.flatMap(imagesOf);
  const usage = toUsage(asObject(body["usageMetadata"]) ?? {}, 0);
  return {
    images,
    safetyFindings:
      images.length > 0 ? [] : candidates.map((candidate) => toFinding(candidate["finishReason"], source)),
    usage: usage === undefined ? undefined : create(UsageSchema, { ...usage, generatedImages: images.length }),
    responseModel: asString(body["modelVersion"]) ?? "",
    warnings: [],
  };
}

/** Thoughts may show images too, which are drafts. */
function imagesOf(candidate: JsonRecord): GeneratedImages["images"] {
  const parts = (asArray(asObject(candidate["content"])?.["parts"]) ?? []).map((part) => asObject(part) ?? {});
  return parts.flatMap((part) => {
    const inline = asObject(part["inlineData"]);
    const data = asString(inline?.["data"]);
    if (data === undefined || part["thought"] === true) return [];
    const mediaType = asString(inline?.["mimeType"]) ?? "image/png";
    const media = { source: { case: "data" as const, value: fromBase64(data) }, mediaType };
    return [create(GeneratedImageSchema, { media })];
  });
}

function fromPrediction(response: HttpResponse, source: string): GeneratedImages {
  const body = readJsonAnswer(response.body, "images");
  if (body["error"] !== undefined) throw toFailureInside(body);
  const rows = (asArray(body["predictions"]) ?? []).map((row) => asObject(row) ?? {});
  const images = rows.flatMap((row) => {
    const data = asString(row["bytesBase64Encoded"]);
    if (data === undefined) return [];
    const media = {
      source: { case: "data" as const, value: fromBase64(data) },
      mediaType: asString(row["mimeType"]) ?? "image/png",
    };
    return [create(GeneratedImageSchema, { media, revisedPrompt: asString(row["prompt"]) ?? "" })];
  });
  const filtered = rows.map((row) => row["raiFilteredReason"]).filter((reason) => reason !== undefined);
  // An answer without predictions is what a filter leaves when it is not asked for its reason.
  const reasons = images.length === 0 && filtered.length === 0 ? ["IMAGE_SAFETY"] : filtered;
  return {
    images,
    safetyFindings: reasons.map((reason) => toFinding(reason, source)),
    usage: create(UsageSchema, { generatedImages: images.length, source: UsageSource.PROVIDER }),
    responseModel: "",
    warnings: [],
  };
}

function toFinding(reason: unknown, source: string): SafetyFinding {
  return create(SafetyFindingSchema, {
    source,
    category: (asString(reason) ?? "").slice(0, 200).toLowerCase(),
    subject: SafetySubject.OUTPUT,
    action: SafetyAction.BLOCKED,
  });
}
