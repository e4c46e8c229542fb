import { create } from "@bufbuild/protobuf";
import {
  type GenerateImagesRequest,
  type GenerateImagesResponse,
  GenerateImagesResponseSchema,
  type Media,
  type Part,
  PartSchema,
  UsageSchema,
} from "../../contract.ts";
import type { GeneratedImages } from "../../domain/operation-results.ts";
import type { Operation } from "../operation.ts";
import { textPart } from "../text-part.ts";

/** The most that one image costs: gpt-image-1 at high quality, 1024x1536 (platform.openai.com/docs/guides/image-generation). */
const tokensPerImageMax = 6_240;

export const generateImages: Operation<GenerateImagesRequest, GeneratedImages, GenerateImagesResponse> = {
  of: (provider) => provider.generateImages,
  inputField: "input_images",
  inputs: ({ prompt, inputImages, mask }) => [
    textPart(prompt),
    ...[...inputImages, ...(mask === undefined ? [] : [mask])].map(imagePart),
  ],
  unitsMost({ imageCount = 1 }, inputTokens) {
    const outputTokens = imageCount * tokensPerImageMax;
    return [
      create(UsageSchema, { generatedImages: imageCount }),
      create(UsageSchema, { inputTokens, outputTokens, imageOutputTokens: outputTokens, generatedImages: imageCount }),
    ];
  },
  join: (results) => ({
    images: results.flatMap(({ images }) => images),
    safetyFindings: results.flatMap(({ safetyFindings }) => safetyFindings),
  }),
  toResponse: ({ images, safetyFindings }, info) =>
    create(GenerateImagesResponseSchema, { images: [...images], safetyFindings: [...safetyFindings], info }),
};

function imagePart(media: Media): Part {
  return create(PartSchema, { content: { case: "image", value: media } });
}
