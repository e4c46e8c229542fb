// Images as OpenAI has them (API reference, "Create image" and "Create image edit"). Editing takes files, so it is a form.
import { create } from "@bufbuild/protobuf";
import {
  GeneratedImageSchema,
  type GenerateImagesRequest,
  type Usage,
  UsageSchema,
  UsageSource,
} from "../../contract.ts";
import type { HttpRequest, HttpResponse } from "../../domain/http.ts";
import type { GeneratedImages } from "../../domain/operation-results.ts";
import { asArray, asObject, asString, type JsonRecord } from "../../wire/json.ts";
import { fromBase64 } from "../data-url.ts";
import { notAnAnswer, readJsonAnswer } from "../json-answer.ts";
import type { JsonOutObject } from "../json-writer.ts";
import { toMediaBytes } from "../media-bytes.ts";
import { type FormField, postForm } from "../multipart-form.ts";
import { postJson, toTranslation } from "../post-json.ts";
import type { UnaryOperation } from "../provider.ts";
import { providerOptionsOf } from "../provider-options.ts";
import { toTokenCount } from "../token-count.ts";
import { createTranslationLog, type TranslationLog } from "../translation-log.ts";
import { wordTable } from "../word-table.ts";
import { toFailureInside } from "./failure.ts";
import type { OperationRules } from "./operation-rules.ts";

export function createImagesOperation(rules: OperationRules): UnaryOperation<GenerateImagesRequest, GeneratedImages> {
  return {
    toHttpRequest(request, { model }) {
      const log = createTranslationLog();
      const family = familyOf(model, rules);
      const settings = toSettings(request, model, family, rules, log);
      const files = toFiles(request, log);
      if (family === "dall-e-3" && files.length > 0)
        log.unsupported("input_images", "the model does not change images");
      const send = (n: number): HttpRequest =>
        files.length === 0
          ? postJson(rules.origin, rules.pathOf("/images/generations", model), { ...settings, n })
          : postForm(rules.origin, rules.pathOf("/images/edits", model), [...toFields({ ...settings, n }), ...files]);
      const count = request.imageCount ?? 1;
      // DALL-E 3 makes one at a time.
      return toTranslation(log, () =>
        family === "dall-e-3" ? Array.from({ length: count }, () => send(1)) : [send(count)],
      );
    },
    fromHttpResponse: (response, request) => fromImages(response, request),
  };
}

type Family = "gpt-image" | "dall-e-3" | "dall-e-2" | "other";

/** Azure's deployments have any name: unless it says otherwise, one is taken to be of the current family. */
function familyOf(model: string, { dialect }: OperationRules): Family {
  if (/dall-?e-?3/i.test(model)) return "dall-e-3";
  if (/dall-?e/i.test(model)) return "dall-e-2";
  const isOpenAi = dialect.id === "openai" || dialect.id === "azure-openai";
  return isOpenAi || /gpt-image/i.test(model) ? "gpt-image" : "other";
}

function toSettings(
  request: GenerateImagesRequest,
  model: string,
  family: Family,
  rules: OperationRules,
  log: TranslationLog,
): JsonOutObject {
  const { prompt, quality, seed, context } = request;
  const endUserId = context?.endUserId ?? "";
  if (seed !== undefined) log.dropped("seed", "the provider takes no seed for images");
  if (endUserId !== "" && rules.dialect.endUser === undefined) {
    log.dropped("context.end_user_id", "the provider takes no ids of end users");
  }
  return {
    model,
    prompt,
    size: toSize(request, family, log),
    quality: quality === "" ? undefined : quality,
    output_format: toOutputFormat(request.mediaType, family, log),
    // The gpt-image models know no other form; the rest would give an address that soon ends.
    response_format: family === "gpt-image" ? undefined : "b64_json",
    user: endUserId === "" || rules.dialect.endUser === undefined ? undefined : endUserId,
    ...providerOptionsOf(context?.providerOptions ?? {}, rules.aliases),
  };
}

const shapes = {
  "gpt-image": { square: "1024x1024", wide: "1536x1024", tall: "1024x1536", wideIs: 1.5 },
  "dall-e-3": { square: "1024x1024", wide: "1792x1024", tall: "1024x1792", wideIs: 1.75 },
} as const;

function toSize(request: GenerateImagesRequest, family: Family, log: TranslationLog): string | undefined {
  const { size, aspectRatio } = request;
  if (aspectRatio === "") return size === "" ? undefined : size;
  if (size !== "") {
    log.dropped("aspect_ratio", "the size says it already");
    return size;
  }
  if (family === "dall-e-2" || family === "other") {
    log.dropped("aspect_ratio", "the provider takes sizes in pixels only");
    return undefined;
  }
  const [width = 1, height = 1] = aspectRatio.split(":").map(Number);
  const { square, wide, tall, wideIs } = shapes[family];
  const ratio = height === 0 ? 1 : width / height;
  const isExact = ratio === 1 || ratio === wideIs || ratio === 1 / wideIs;
  const nearest = ratio === 1 ? square : ratio > 1 ? wide : tall;
  if (!isExact) log.adjusted("aspect_ratio", `the nearest size that the model has is ${nearest}`);
  return nearest;
}

const formats = wordTable<string>({ "image/png": "png", "image/jpeg": "jpeg", "image/webp": "webp" });

function toOutputFormat(mediaType: string, family: Family, log: TranslationLog): string | undefined {
  if (mediaType === "") return undefined;
  const format = formats[mediaType.toLowerCase()];
  if (family === "gpt-image" && format !== undefined) return format;
  if (family === "gpt-image" || format !== "png") log.adjusted("media_type", "the model gives images of another type");
  return undefined;
}

function toFiles({ inputImages, mask }: GenerateImagesRequest, log: TranslationLog): readonly FormField[] {
  const images = inputImages.map((image, index) => ({
    name: "image[]",
    media: image,
    field: `input_images[${index}]`,
  }));
  const masks = mask === undefined ? [] : [{ name: "mask", media: mask, field: "mask" }];
  if (mask !== undefined && images.length === 0) log.unsupported("mask", "there is no input image that it belongs to");
  return [...images, ...masks].flatMap(({ name, media, field }) => {
    const bytes = toMediaBytes(media, field, log);
    if (bytes === undefined) return [];
    const mediaType = bytes.mediaType || "image/png";
    return [{ name, file: bytes.data, mediaType, filename: media.filename || `image.${formats[mediaType] ?? "png"}` }];
  });
}

function toFields(settings: JsonOutObject): readonly FormField[] {
  return Object.entries(settings).map(([name, value]) => {
    const text = typeof value === "string" || value === undefined ? value : JSON.stringify(value);
    return { name, value: text };
  });
}

export function fromImages(response: HttpResponse, request: GenerateImagesRequest): GeneratedImages {
  const body = readJsonAnswer(response.body, "images");
  if (body["error"] !== undefined && body["error"] !== null) throw toFailureInside(body);
  const rows = (asArray(body["data"]) ?? []).map((row) => asObject(row) ?? {});
  if (rows.length === 0) throw notAnAnswer("images", "it has no data");
  const mediaType = toMediaType(asString(body["output_format"]), request);
  return {
    images: rows.map((row) => toImage(row, mediaType)),
    safetyFindings: [],
    usage: toImageUsage(asObject(body["usage"]), rows.length),
    responseModel: asString(body["model"]) ?? "",
    warnings: [],
  };
}

function toMediaType(format: string | undefined, { mediaType }: GenerateImagesRequest): string {
  return format === undefined ? mediaType || "image/png" : `image/${format}`;
}

function toImage(row: JsonRecord, mediaType: string): GeneratedImages["images"][number] {
  const data = asString(row["b64_json"]);
  const uri = asString(row["url"]);
  const source = data === undefined ? toUriSource(uri) : ({ case: "data", value: fromBase64(data) } as const);
  if (source === undefined) throw notAnAnswer("images", "an image has neither data nor address");
  return create(GeneratedImageSchema, {
    media: { source, mediaType: source.case === "data" ? (typeOfBytes(source.value) ?? mediaType) : "" },
    revisedPrompt: asString(row["revised_prompt"]) ?? "",
  });
}

function toUriSource(uri: string | undefined) {
  return uri === undefined || uri === "" ? undefined : ({ case: "uri", value: uri } as const);
}

/** By the first bytes, since several servers give another type than the one that was asked for. */
export function typeOfBytes(bytes: Uint8Array): string | undefined {
  const head = Buffer.from(bytes.subarray(0, 12)).toString("latin1");
  if (head.startsWith("\x89PNG")) return "image/png";
  if (head.startsWith("\xff\xd8\xff")) return "image/jpeg";
  return head.startsWith("RIFF") && head.endsWith("WEBP") ? "image/webp" : undefined;
}

/** The number of images always; tokens where the model is billed by them (gpt-image), all of its output being images. */
function toImageUsage(raw: JsonRecord | undefined, generatedImages: number): Usage {
  const usage = create(UsageSchema, { generatedImages, source: UsageSource.PROVIDER });
  const inputTokens = toTokenCount(raw?.["input_tokens"]);
  const outputTokens = toTokenCount(raw?.["output_tokens"]);
  if (inputTokens === undefined || outputTokens === undefined) return usage;
  const imageInput = toTokenCount(asObject(raw?.["input_tokens_details"])?.["image_tokens"]);
  const imageOutput = toTokenCount(asObject(raw?.["output_tokens_details"])?.["image_tokens"]);
  return {
    ...usage,
    inputTokens,
    outputTokens,
    imageOutputTokens: imageOutput ?? outputTokens,
    ...(imageInput === undefined ? {} : { imageInputTokens: imageInput }),
  };
}
