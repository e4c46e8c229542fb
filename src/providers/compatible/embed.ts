// Embeddings as OpenAI has them (API reference, "Create embeddings"), which most compatible servers speak too.
import { create } from "@bufbuild/protobuf";
import { EmbeddingTask, type EmbedRequest, UsageSchema, UsageSource } from "../../contract.ts";
import type { HttpResponse } from "../../domain/http.ts";
import type { Embeddings } from "../../domain/operation-results.ts";
import { asArray, asNumber, asObject, asString, type JsonRecord } from "../../wire/json.ts";
import { type BatchLimits, bytesOfText, toBatches, toTexts } from "../embed-inputs.ts";
import { noteMadeHere, readFloats, toEmbedding } from "../embedding-form.ts";
import { notAnAnswer, readJsonAnswer } from "../json-answer.ts";
import type { JsonOutObject } from "../json-writer.ts";
import { postJson, toTranslation } from "../post-json.ts";
import type { UnaryOperation } from "../provider.ts";
import { providerOptionsOf } from "../provider-options.ts";
import { toTokenCount } from "../token-count.ts";
import { createTranslationLog, type TranslationLog } from "../translation-log.ts";
import { wordTable } from "../word-table.ts";
import { toFailureInside } from "./failure.ts";
import type { OperationRules } from "./operation-rules.ts";

export function createEmbedOperation(rules: OperationRules): UnaryOperation<EmbedRequest, Embeddings> {
  return {
    toHttpRequest(request, { model }) {
      const log = createTranslationLog();
      const texts = toTexts(request, log);
      const options = toOptions(request, rules, log);
      const limits = limitsByDialect[rules.dialect.id] ?? limitsByDefault;
      return toTranslation(log, () =>
        toBatches(texts, limits, bytesOfText).map((input) =>
          postJson(rules.origin, rules.pathOf("/embeddings", model), { model, input, ...options }),
        ),
      );
    },
    fromHttpResponse: (response, request) => fromEmbeddings(response, request),
  };
}

/**
 * OpenAI: 2,048 inputs and 300,000 tokens over all of them, and a token is two bytes or more. Alibaba and TGI: documented
 * or default limits on the length of the list. Of others nothing is known, so the lists are short.
 */
const limitsByDialect = wordTable<BatchLimits>({
  openai: { itemsMax: 2_048, bytesMax: 600_000 },
  "azure-openai": { itemsMax: 2_048, bytesMax: 600_000 },
  alibaba: { itemsMax: 10, bytesMax: 600_000 },
  tgi: { itemsMax: 32, bytesMax: 600_000 },
  vllm: { itemsMax: 1_024, bytesMax: 4_000_000 },
});
const limitsByDefault: BatchLimits = { itemsMax: 128, bytesMax: 600_000 };

/** Servers that give base64, which is a third of the bytes of decimals and read ten times as fast. */
const base64Dialects: ReadonlySet<string> = new Set(["openai", "azure-openai", "vllm"]);

function toOptions(request: EmbedRequest, rules: OperationRules, log: TranslationLog): JsonOutObject {
  const { id, endUser } = rules.dialect;
  const { context } = request;
  const endUserId = context?.endUserId ?? "";
  if (request.task !== EmbeddingTask.UNSPECIFIED) log.dropped("task", "the provider does not ask what vectors are for");
  if (request.truncate && id !== "vllm") log.dropped("truncate", "the provider does not cut off inputs");
  if (endUserId !== "" && endUser === undefined)
    log.dropped("context.end_user_id", "the provider takes no ids of end users");
  noteMadeHere(request.encoding, log);
  return {
    encoding_format: base64Dialects.has(id) ? "base64" : "float",
    dimensions: request.dimensions,
    // vLLM: -1 cuts at the length of the model's window.
    truncate_prompt_tokens: request.truncate && id === "vllm" ? -1 : undefined,
    user: endUserId !== "" && endUser !== undefined ? endUserId : undefined,
    ...providerOptionsOf(context?.providerOptions ?? {}, rules.aliases),
  };
}

/** Also Mistral's, which answers alike. */
export function fromEmbeddings(response: HttpResponse, request: EmbedRequest): Embeddings {
  const body = readJsonAnswer(response.body, "embeddings");
  if (body["error"] !== undefined && body["error"] !== null) throw toFailureInside(body);
  const rows = (asArray(body["data"]) ?? []).map((row) => asObject(row) ?? {});
  if (rows.length === 0) throw notAnAnswer("embeddings", "it has no data");
  const ordered = rows.toSorted((left, right) => (asNumber(left["index"]) ?? 0) - (asNumber(right["index"]) ?? 0));
  return {
    embeddings: ordered.map((row) => {
      const values = readFloats(row["embedding"]);
      if (values === undefined) throw notAnAnswer("embeddings", "a vector is no list of numbers");
      return toEmbedding(values, request.encoding);
    }),
    usage: toInputUsage(asObject(body["usage"])),
    responseModel: asString(body["model"]) ?? "",
    warnings: [],
  };
}

/** Usage of an operation that generates no tokens. */
export function toInputUsage(raw: JsonRecord | undefined): Embeddings["usage"] {
  const inputTokens = toTokenCount(raw?.["prompt_tokens"]) ?? toTokenCount(raw?.["total_tokens"]);
  if (inputTokens === undefined) return undefined;
  return create(UsageSchema, { inputTokens, outputTokens: 0, source: UsageSource.PROVIDER });
}
