// Embeddings of Cohere, version 2 (docs.cohere.com/reference/embed).
import { create } from "@bufbuild/protobuf";
import { type EmbedRequest, type Usage, UsageSchema, UsageSource } from "../../contract.ts";
import type { HttpResponse } from "../../domain/http.ts";
import type { Embeddings } from "../../domain/operation-results.ts";
import { asObject } from "../../wire/json.ts";
import { fromTypedEmbeddings, toEmbedBodies } from "../embed-by-type.ts";
import { readJsonAnswer } from "../json-answer.ts";
import { postJson, toTranslation } from "../post-json.ts";
import type { UnaryOperation } from "../provider.ts";
import { toTokenCount } from "../token-count.ts";
import { createTranslationLog } from "../translation-log.ts";

type Address = { readonly origin: string; readonly path: string };

export function createCohereEmbed(
  address: Address,
  aliases: readonly string[],
): UnaryOperation<EmbedRequest, Embeddings> {
  return {
    toHttpRequest(request, { model }) {
      const log = createTranslationLog();
      const bodies = toEmbedBodies(request, { model }, aliases, log);
      return toTranslation(log, () => bodies.map((body) => postJson(address.origin, address.path, body)));
    },
    fromHttpResponse: (response, request) => fromEmbeddings(response, request),
  };
}

function fromEmbeddings(response: HttpResponse, request: EmbedRequest): Embeddings {
  const body = readJsonAnswer(response.body, "embeddings");
  return {
    embeddings: fromTypedEmbeddings(body["embeddings"], request.encoding),
    usage: toEmbedUsage(asObject(asObject(body["meta"])?.["billed_units"])?.["input_tokens"]),
    responseModel: "",
    warnings: [],
  };
}

function toEmbedUsage(count: unknown): Usage | undefined {
  const inputTokens = toTokenCount(count);
  if (inputTokens === undefined) return undefined;
  return create(UsageSchema, { inputTokens, outputTokens: 0, source: UsageSource.PROVIDER });
}
