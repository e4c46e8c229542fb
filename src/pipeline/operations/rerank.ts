import { create } from "@bufbuild/protobuf";
import { type RerankRequest, type RerankResponse, RerankResponseSchema, UsageSchema } from "../../contract.ts";
import type { Reranking } from "../../domain/operation-results.ts";
import { ProviderFailure } from "../../domain/provider-failure.ts";
import type { Operation } from "../operation.ts";
import { textPart } from "../text-part.ts";

/** Cohere: a search unit is one query with up to 100 documents (docs.cohere.com/docs/rate-limits, "Billing"). */
const documentsPerSearchUnit = 100;

export const rerank: Operation<RerankRequest, Reranking, RerankResponse> = {
  of: (provider) => provider.rerank,
  inputField: "documents",
  inputs: ({ query, documents }) => [query, ...documents].map(textPart),
  unitsMost: ({ documents }, inputTokens) => [
    create(UsageSchema, { searchUnits: Math.ceil(documents.length / documentsPerSearchUnit) }),
    create(UsageSchema, { inputTokens, outputTokens: 0 }),
    create(UsageSchema),
  ],
  join(results, { documents, topN }) {
    const all = results.flatMap((result) => result.results);
    const indices = new Set(all.map(({ index }) => index));
    const isPossible = indices.size === all.length && all.every(({ index }) => index >= 0 && index < documents.length);
    if (!isPossible) throw new ProviderFailure("bad-response", "the provider ranked documents that it was not given");
    const ordered = all.toSorted((left, right) => right.relevanceScore - left.relevanceScore);
    return { results: ordered.slice(0, topN ?? ordered.length) };
  },
  toResponse: ({ results }, info) => create(RerankResponseSchema, { results: [...results], info }),
};
