import { asNumber, asString, type JsonRecord } from "../../wire/json.ts";
import { jsonAsked, plainQuestion } from "../operations/plain-asked.ts";
import { wordVector } from "../operations/word-vector.ts";
import { type Asked, WireProblem } from "../wire.ts";

const dimensionsDefault = 1_024;

/** Amazon Titan's embedding of one text ("Amazon Titan Embeddings Text", request and response). */
export function readTitanEmbed(body: JsonRecord, model: string | undefined): Asked {
  const text = asString(body["inputText"]);
  const dimensions = asNumber(body["dimensions"]) ?? dimensionsDefault;
  if (text === undefined || text === "") throw new WireProblem("inputText is required");
  if (![256, 512, 1_024].includes(dimensions)) throw new WireProblem("dimensions must be 256, 512 or 1024");
  const question = plainQuestion(model, [text]);
  return jsonAsked(question, () => ({
    embedding: wordVector(text, dimensions),
    inputTextTokenCount: question.inputTokens,
  }));
}
