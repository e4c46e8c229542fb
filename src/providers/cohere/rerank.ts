// Reranking of Cohere, version 2 (docs.cohere.com/reference/rerank).
import type { RerankRequest } from "../../contract.ts";
import type { Reranking } from "../../domain/operation-results.ts";
import { fromReranking } from "../compatible/rerank.ts";
import { postJson, toTranslation } from "../post-json.ts";
import type { UnaryOperation } from "../provider.ts";
import { providerOptionsOf } from "../provider-options.ts";
import { createTranslationLog } from "../translation-log.ts";

type Address = { readonly origin: string; readonly path: string };

export function createCohereRerank(
  address: Address,
  aliases: readonly string[],
): UnaryOperation<RerankRequest, Reranking> {
  return {
    toHttpRequest({ query, documents, topN, context }, { model }) {
      const log = createTranslationLog();
      if ((context?.endUserId ?? "") !== "") {
        log.dropped("context.end_user_id", "the provider takes no ids of end users");
      }
      const options = providerOptionsOf(context?.providerOptions ?? {}, aliases);
      return toTranslation(log, () => [
        postJson(address.origin, address.path, { model, query, documents, top_n: topN, ...options }),
      ]);
    },
    fromHttpResponse: fromReranking,
  };
}
