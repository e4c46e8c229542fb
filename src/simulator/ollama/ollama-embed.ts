import { asArray, asNumber, asString, type JsonRecord } from "../../wire/json.ts";
import { jsonAsked, plainQuestion } from "../operations/plain-asked.ts";
import { wordVector } from "../operations/word-vector.ts";
import { type Asked, WireProblem } from "../wire.ts";

const dimensionsDefault = 768;

/** Ollama's embeddings (docs.ollama.com/api/embed). */
export function readOllamaEmbed(body: JsonRecord): Asked {
  const inputs = typeof body["input"] === "string" ? [body["input"]] : (asArray(body["input"]) ?? []).map(asString);
  const texts = inputs.filter((text) => text !== undefined);
  if (texts.length === 0) throw new WireProblem("input is required");
  const dimensions = asNumber(body["dimensions"]) ?? dimensionsDefault;
  const question = plainQuestion(asString(body["model"]), texts);
  return jsonAsked(question, ({ model, controls }) => ({
    model,
    embeddings: texts.map((text) => wordVector(text, dimensions)),
    total_duration: 1_000_000,
    ...(controls.noUsage ? {} : { prompt_eval_count: question.inputTokens }),
  }));
}
