// Embeddings on Bedrock, by InvokeModel in the words of each vendor ("Amazon Titan Embeddings G1 and V2", "Cohere Embed"):
// Titan takes one text a request, Cohere lists.
import { create } from "@bufbuild/protobuf";
import {
  EmbeddingEncoding,
  EmbeddingTask,
  type EmbedRequest,
  type Usage,
  UsageSchema,
  UsageSource,
} from "../../contract.ts";
import type { HttpRequest, HttpResponse } from "../../domain/http.ts";
import type { Embeddings } from "../../domain/operation-results.ts";
import { asObject, type JsonRecord } from "../../wire/json.ts";
import { fromTypedEmbeddings, toEmbedBodies } from "../embed-by-type.ts";
import { toTexts } from "../embed-inputs.ts";
import { noteMadeHere, readFloats, toEmbedding } from "../embedding-form.ts";
import { notAnAnswer, readJsonAnswer } from "../json-answer.ts";
import type { JsonOutObject } from "../json-writer.ts";
import { toTranslation } from "../post-json.ts";
import type { UnaryOperation } from "../provider.ts";
import { providerOptionsOf } from "../provider-options.ts";
import { toTokenCount } from "../token-count.ts";
import { createTranslationLog, type TranslationLog } from "../translation-log.ts";

type Send = (model: string, action: string, body: JsonOutObject) => HttpRequest;

export function createBedrockEmbed(send: Send, aliases: readonly string[]): UnaryOperation<EmbedRequest, Embeddings> {
  return {
    toHttpRequest(request, { model }) {
      const log = createTranslationLog();
      const bodies = toBodies(request, model, aliases, log);
      return toTranslation(log, () => bodies.map((body) => send(model, "invoke", body)));
    },
    fromHttpResponse: (response, request) => fromAnswer(response, request),
  };
}

function toBodies(request: EmbedRequest, model: string, aliases: readonly string[], log: TranslationLog) {
  if (/cohere\.embed/.test(model)) return toEmbedBodies(request, {}, aliases, log);
  if (/amazon\.titan-embed-text/.test(model)) return toTitanBodies(request, model, aliases, log);
  log.unsupported("model", "no form of embedding request is known for this model");
  return [];
}

function toTitanBodies(request: EmbedRequest, model: string, aliases: readonly string[], log: TranslationLog) {
  const { context, dimensions, encoding } = request;
  const isSecond = /titan-embed-text-v[2-9]/.test(model);
  if (request.task !== EmbeddingTask.UNSPECIFIED) log.dropped("task", "the model does not ask what vectors are for");
  if (request.truncate) log.dropped("truncate", "the model does not cut off inputs");
  if ((context?.endUserId ?? "") !== "") log.dropped("context.end_user_id", "the provider takes no ids of end users");
  if (dimensions !== undefined && !isSecond) log.dropped("dimensions", "the model has one length of vectors");
  noteMadeHere(encoding, log);
  const options = {
    dimensions: isSecond ? dimensions : undefined,
    ...providerOptionsOf(context?.providerOptions ?? {}, aliases),
  };
  return toTexts(request, log).map((inputText) => ({ inputText, ...options }));
}

function fromAnswer(response: HttpResponse, request: EmbedRequest): Embeddings {
  const body = readJsonAnswer(response.body, "embeddings");
  const usage = toEmbedUsage(body, response);
  if (body["embeddings"] !== undefined) {
    return {
      embeddings: fromTypedEmbeddings(body["embeddings"], request.encoding),
      usage,
      responseModel: "",
      warnings: [],
    };
  }
  const values = readFloats(body["embedding"] ?? asObject(body["embeddingsByType"])?.["float"]);
  if (values === undefined) throw notAnAnswer("embeddings", "it has no vector");
  const encoding = request.encoding === EmbeddingEncoding.UNSPECIFIED ? EmbeddingEncoding.FLOAT32 : request.encoding;
  return { embeddings: [toEmbedding(values, encoding)], usage, responseModel: "", warnings: [] };
}

/** Titan counts in the body; for the others the count stands in a header ("InvokeModel", response headers). */
function toEmbedUsage(body: JsonRecord, { headers }: HttpResponse): Usage | undefined {
  const told = headers["x-amzn-bedrock-input-token-count"];
  const inputTokens =
    toTokenCount(body["inputTextTokenCount"]) ?? (told === undefined ? undefined : toTokenCount(Number(told)));
  if (inputTokens === undefined) return undefined;
  return create(UsageSchema, { inputTokens, outputTokens: 0, source: UsageSource.PROVIDER });
}
