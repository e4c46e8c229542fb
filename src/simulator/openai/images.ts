// OpenAI API reference, "Create image" and "Create image edit": pictures of one colour, another for each prompt.
import { asString, type JsonRecord } from "../../wire/json.ts";
import { isFormFile } from "../multipart.ts";
import { jsonAsked, plainQuestion } from "../operations/plain-asked.ts";
import { solidPng } from "../operations/solid-png.ts";
import { hashOfText } from "../operations/word-vector.ts";
import { type Asked, WireProblem } from "../wire.ts";
import { createdAtSeconds } from "./chat-answer.ts";

const imagesMax = 10;
/** As of gpt-image-1 for 1024 × 1024 in low quality. */
const tokensPerImage = 272;

export function readImages(body: JsonRecord): Asked {
  return toImages(body, 0);
}

export function readImageEdits(body: JsonRecord): Asked {
  const images = [body["image[]"], body["image"]].flat().filter(isFormFile);
  if (images.length === 0) throw new WireProblem("image is required");
  return toImages(body, images.length);
}

function toImages(body: JsonRecord, imagesIn: number): Asked {
  const prompt = asString(body["prompt"]);
  if (prompt === undefined || prompt === "") throw new WireProblem("prompt is required");
  const count = Number(body["n"] ?? 1);
  if (!(Number.isInteger(count) && count >= 1 && count <= imagesMax)) throw new WireProblem("n is out of range");
  const question = plainQuestion(asString(body["model"]), [prompt], imagesIn);
  const outputTokens = count * tokensPerImage;
  const imageTokens = imagesIn * 100;
  return jsonAsked(question, ({ controls }) => ({
    created: createdAtSeconds,
    data: Array.from({ length: count }, (_value, index) => ({
      b64_json: solidPng(hashOfText(`${prompt}\n${index}`)).toString("base64"),
      revised_prompt: `${prompt}, in one colour`,
    })),
    output_format: "png",
    ...(controls.noUsage
      ? {}
      : {
          usage: {
            input_tokens: question.inputTokens,
            output_tokens: outputTokens,
            total_tokens: question.inputTokens + outputTokens,
            input_tokens_details: { text_tokens: question.inputTokens - imageTokens, image_tokens: imageTokens },
          },
        }),
  }));
}
