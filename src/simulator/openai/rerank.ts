// Jina's reranking (jina.ai/reranker, "API"), as compatible servers have it.
import { asArray, asNumber, asString, type JsonRecord } from "../../wire/json.ts";
import { jsonAsked, plainQuestion } from "../operations/plain-asked.ts";
import { rankByWords } from "../operations/rank-by-words.ts";
import { type Asked, WireProblem } from "../wire.ts";

export function readRerank(body: JsonRecord): Asked {
  const query = asString(body["query"]);
  const documents = (asArray(body["documents"]) ?? []).map(asString).filter((text) => text !== undefined);
  if (query === undefined || documents.length === 0) throw new WireProblem("query and documents are required");
  const question = plainQuestion(asString(body["model"]), [...documents, query]);
  return jsonAsked(question, ({ model, controls }) => ({
    model,
    results: rankByWords(query, documents, asNumber(body["top_n"])).map(({ index, score }) => ({
      index,
      relevance_score: score,
    })),
    ...(controls.noUsage ? {} : { usage: { prompt_tokens: question.inputTokens, total_tokens: question.inputTokens } }),
  }));
}
