// Reranking as Jina has it (jina.ai/reranker, "API"), which vLLM, Together, Voyage and others speak with small differences;
// Cohere's answer is of the same form.
import { create } from "@bufbuild/protobuf";
import { type RerankRequest, RerankResultSchema, type Usage, UsageSchema, UsageSource } from "../../contract.ts";
import type { HttpResponse } from "../../domain/http.ts";
import type { Reranking } from "../../domain/operation-results.ts";
import { asArray, asNumber, asObject, asString, type JsonRecord } from "../../wire/json.ts";
import { notAnAnswer, readJsonAnswer } from "../json-answer.ts";
import { postJson, toTranslation } from "../post-json.ts";
import type { UnaryOperation } from "../provider.ts";
import { providerOptionsOf } from "../provider-options.ts";
import { toTokenCount } from "../token-count.ts";
import { createTranslationLog } from "../translation-log.ts";
import { toFailureInside } from "./failure.ts";
import type { OperationRules } from "./operation-rules.ts";

export function createRerankOperation(rules: OperationRules): UnaryOperation<RerankRequest, Reranking> {
  return {
    toHttpRequest(request, { model }) {
      const log = createTranslationLog();
      const { query, documents, topN, context } = request;
      if ((context?.endUserId ?? "") !== "") {
        log.dropped("context.end_user_id", "the provider takes no ids of end users");
      }
      return toTranslation(log, () => [
        postJson(rules.origin, rules.pathOf("/rerank", model), {
          model,
          query,
          documents,
          top_n: topN,
          return_documents: false,
          ...providerOptionsOf(context?.providerOptions ?? {}, rules.aliases),
        }),
      ]);
    },
    fromHttpResponse: fromReranking,
  };
}

/** Reads `results` (Jina, Cohere, vLLM, Together) or `data` (Voyage). */
export function fromReranking(response: HttpResponse): Reranking {
  const body = readJsonAnswer(response.body, "ranking");
  if (body["error"] !== undefined && body["error"] !== null) throw toFailureInside(body);
  const rows = asArray(body["results"]) ?? asArray(body["data"]);
  if (rows === undefined) throw notAnAnswer("ranking", "it has no results");
  return {
    results: rows.map((row) => toResult(asObject(row) ?? {})),
    usage: toRerankUsage(body),
    responseModel: asString(body["model"]) ?? "",
    warnings: [],
  };
}

function toResult(row: JsonRecord): Reranking["results"][number] {
  const index = toTokenCount(row["index"]);
  const relevanceScore = asNumber(row["relevance_score"]) ?? asNumber(row["score"]);
  if (index === undefined || relevanceScore === undefined)
    throw notAnAnswer("ranking", "a result has no place or score");
  return create(RerankResultSchema, { index, relevanceScore });
}

/** Tokens in `usage`, or search units where Cohere bills them (`meta.billed_units`). */
function toRerankUsage(body: JsonRecord): Usage | undefined {
  const usage = asObject(body["usage"]) ?? {};
  const searchUnits = toTokenCount(asObject(asObject(body["meta"])?.["billed_units"])?.["search_units"]);
  const inputTokens = toTokenCount(usage["prompt_tokens"]) ?? toTokenCount(usage["total_tokens"]);
  if (searchUnits !== undefined) return create(UsageSchema, { searchUnits, source: UsageSource.PROVIDER });
  if (inputTokens === undefined) return undefined;
  return create(UsageSchema, { inputTokens, outputTokens: 0, source: UsageSource.PROVIDER });
}
