// Cohere's embeddings and reranking (docs.cohere.com/reference/embed, /rerank), also as Bedrock hosts them.
import { asArray, asNumber, asObject, asString, type JsonRecord } from "../../wire/json.ts";
import { jsonAsked, plainQuestion } from "../operations/plain-asked.ts";
import { rankByWords } from "../operations/rank-by-words.ts";
import { toBits, toSignedBytes, wordVector } from "../operations/word-vector.ts";
import { type Asked, WireProblem } from "../wire.ts";

const dimensionsDefault = 1_536;
const inputsMax = 96;
const documentsPerSearch = 100;

export function readCohereEmbed(body: JsonRecord, model: string | undefined): Asked {
  const texts = readTexts(body);
  if (texts.length === 0 || texts.length > inputsMax) throw new WireProblem(`from 1 to ${inputsMax} texts are allowed`);
  if (asString(body["input_type"]) === undefined) throw new WireProblem("input_type is required");
  const dimensions = asNumber(body["output_dimension"]) ?? dimensionsDefault;
  const types = (asArray(body["embedding_types"]) ?? ["float"]).map(asString).filter((type) => type !== undefined);
  const question = plainQuestion(model, texts);
  return jsonAsked(question, ({ id, controls }) => ({
    id,
    texts,
    embeddings: Object.fromEntries(
      types.map((type) => [type, texts.map((text) => toType(wordVector(text, dimensions), type))]),
    ),
    response_type: "embeddings_by_type",
    ...(controls.noUsage ? {} : { meta: { billed_units: { input_tokens: question.inputTokens } } }),
  }));
}

export function readCohereRerank(body: JsonRecord, model: string | undefined): Asked {
  const query = asString(body["query"]);
  const documents = (asArray(body["documents"]) ?? []).map(asString).filter((text) => text !== undefined);
  if (query === undefined || documents.length === 0) throw new WireProblem("query and documents are required");
  const question = plainQuestion(model, [...documents, query]);
  const search_units = Math.ceil(documents.length / documentsPerSearch);
  return jsonAsked(question, ({ id, controls }) => ({
    id,
    results: rankByWords(query, documents, asNumber(body["top_n"])).map(({ index, score }) => ({
      index,
      relevance_score: score,
    })),
    ...(controls.noUsage ? {} : { meta: { billed_units: { search_units } } }),
  }));
}

/** Of an input with pictures the words alone are looked at. */
function readTexts(body: JsonRecord): readonly string[] {
  const texts = asArray(body["texts"])?.map((text) => asString(text) ?? "");
  if (texts !== undefined) return texts;
  return (asArray(body["inputs"]) ?? []).map((input) => {
    const parts = asArray(asObject(input)?.["content"]) ?? [];
    return parts.map((part) => asString(asObject(part)?.["text"]) ?? "").join(" ");
  });
}

function toType(vector: readonly number[], type: string): readonly number[] {
  switch (type) {
    case "float":
      return vector;
    case "int8":
      return toSignedBytes(vector);
    case "ubinary":
      return toBits(vector);
    default:
      throw new WireProblem(`embedding type ${type} is not simulated`);
  }
}
