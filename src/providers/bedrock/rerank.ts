// Reranking on Bedrock, by InvokeModel ("Use a reranker model in Amazon Bedrock"): Cohere's and Amazon's models answer alike.
import type { RerankRequest } from "../../contract.ts";
import type { HttpRequest } from "../../domain/http.ts";
import type { Reranking } from "../../domain/operation-results.ts";
import { fromReranking } from "../compatible/rerank.ts";
import type { JsonOutObject } from "../json-writer.ts";
import { toTranslation } from "../post-json.ts";
import type { UnaryOperation } from "../provider.ts";
import { providerOptionsOf } from "../provider-options.ts";
import { createTranslationLog } from "../translation-log.ts";

type Send = (model: string, action: string, body: JsonOutObject) => HttpRequest;

export function createBedrockRerank(send: Send, aliases: readonly string[]): UnaryOperation<RerankRequest, Reranking> {
  return {
    toHttpRequest({ query, documents, topN, context }, { model }) {
      const log = createTranslationLog();
      if (!/\brerank/.test(model)) log.unsupported("model", "it is no model that ranks");
      if ((context?.endUserId ?? "") !== "") {
        log.dropped("context.end_user_id", "the provider takes no ids of end users");
      }
      const body = {
        query,
        documents,
        top_n: topN,
        api_version: /cohere\./.test(model) ? 2 : undefined,
        ...providerOptionsOf(context?.providerOptions ?? {}, aliases),
      };
      return toTranslation(log, () => [send(model, "invoke", body)]);
    },
    fromHttpResponse: fromReranking,
  };
}
