// OpenAI API reference, "Create embeddings".
import { asArray, asNumber, asString, type JsonRecord } from "../../wire/json.ts";
import { jsonAsked, plainQuestion } from "../operations/plain-asked.ts";
import { wordVector } from "../operations/word-vector.ts";
import { type Asked, WireProblem } from "../wire.ts";

const dimensionsDefault = 1_536;
const dimensionsMax = 3_072;
const inputsMax = 2_048;

export function readEmbeddings(body: JsonRecord): Asked {
  const inputs = typeof body["input"] === "string" ? [body["input"]] : (asArray(body["input"]) ?? []).map(asString);
  const texts = inputs.filter((text) => text !== undefined && text !== "") as string[];
  if (texts.length === 0 || texts.length !== inputs.length)
    throw new WireProblem("input must be texts that are not empty");
  if (texts.length > inputsMax) throw new WireProblem(`at most ${inputsMax} inputs are allowed`);
  const dimensions = asNumber(body["dimensions"]) ?? dimensionsDefault;
  if (!(dimensions >= 1 && dimensions <= dimensionsMax)) throw new WireProblem("dimensions is out of range");
  const isBase64 = body["encoding_format"] === "base64";
  const question = plainQuestion(asString(body["model"]), texts);
  return jsonAsked(question, ({ model, controls }) => ({
    object: "list",
    data: texts.map((text, index) => {
      const vector = wordVector(text, dimensions);
      return { object: "embedding", index, embedding: isBase64 ? toBase64(vector) : vector };
    }),
    model,
    ...(controls.noUsage ? {} : { usage: { prompt_tokens: question.inputTokens, total_tokens: question.inputTokens } }),
  }));
}

/** Little-endian 32-bit floats. */
function toBase64(vector: readonly number[]): string {
  const bytes = Buffer.alloc(vector.length * 4);
  for (const [index, value] of vector.entries()) bytes.writeFloatLE(value, index * 4);
  return bytes.toString("base64");
}
