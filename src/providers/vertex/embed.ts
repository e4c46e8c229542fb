// Embeddings on Vertex AI ("Text embeddings API"): `predict` with several texts at once, and `embedContent`, one input a
// request, for the multimodal generation.
import { create } from "@bufbuild/protobuf";
import { type EmbedRequest, type Usage, UsageSchema, UsageSource, type Warning } from "../../contract.ts";
import type { HttpRequest, HttpResponse } from "../../domain/http.ts";
import type { Embeddings } from "../../domain/operation-results.ts";
import { asArray, asObject, asString, type JsonRecord } from "../../wire/json.ts";
import { bytesOfText, toBatches, toTexts } from "../embed-inputs.ts";
import { noteMadeHere, toEmbedding } from "../embedding-form.ts";
import { isMultimodal, noteEndUser, readValues, toContents, toEmbedUsage, toTaskType } from "../gemini/embed.ts";
import { toFailureInside } from "../gemini/failure.ts";
import { notAnAnswer, readJsonAnswer } from "../json-answer.ts";
import type { JsonOutObject } from "../json-writer.ts";
import { toTranslation } from "../post-json.ts";
import type { UnaryOperation } from "../provider.ts";
import { providerOptionsOf } from "../provider-options.ts";
import { toTokenCount } from "../token-count.ts";
import { createTranslationLog, type TranslationLog } from "../translation-log.ts";
import { otherWarning } from "../warning.ts";

export type VertexEmbedRules = {
  readonly aliases: readonly string[];
  readonly send: (model: string, method: string, body: JsonOutObject) => HttpRequest;
};

/** 250 texts and 20,000 tokens; a token is two bytes or more. */
const textLimits = { itemsMax: 250, bytesMax: 40_000 } as const;
/** "gemini-embedding-001: each request can only include a single input text". */
const singleLimits = { itemsMax: 1, bytesMax: 1 } as const;

export function createVertexEmbed(rules: VertexEmbedRules): UnaryOperation<EmbedRequest, Embeddings> {
  return {
    toHttpRequest(request, { model }) {
      const log = createTranslationLog();
      noteMadeHere(request.encoding, log);
      noteEndUser(request, log);
      const bodies = isMultimodal(model)
        ? toContentBodies(request, model, rules, log)
        : toPredictBodies(request, model, rules, log);
      const method = isMultimodal(model) ? "embedContent" : "predict";
      return toTranslation(log, () => bodies.map((body) => rules.send(model, method, body)));
    },
    fromHttpResponse: (response, request) => fromAnswer(response, request),
  };
}

function toContentBodies(request: EmbedRequest, model: string, rules: VertexEmbedRules, log: TranslationLog) {
  const settings = {
    taskType: toTaskType(request.task, model, log),
    outputDimensionality: request.dimensions,
    autoTruncate: request.truncate,
    ...providerOptionsOf(request.context?.providerOptions ?? {}, rules.aliases),
  };
  return toContents(request, model, rules.aliases, log).map((content) => ({ content, ...settings }));
}

function toPredictBodies(request: EmbedRequest, model: string, rules: VertexEmbedRules, log: TranslationLog) {
  const taskType = toTaskType(request.task, model, log);
  const limits = model.includes("gemini-embedding") ? singleLimits : textLimits;
  const parameters = {
    // On by default there: said every time, so that it is the caller's choice.
    autoTruncate: request.truncate,
    outputDimensionality: request.dimensions,
    ...providerOptionsOf(request.context?.providerOptions ?? {}, rules.aliases),
  };
  return toBatches(toTexts(request, log), limits, bytesOfText).map((texts) => ({
    instances: texts.map((content) => ({ content, task_type: taskType })),
    parameters,
  }));
}

function fromAnswer(response: HttpResponse, request: EmbedRequest): Embeddings {
  const body = readJsonAnswer(response.body, "embeddings");
  if (body["error"] !== undefined) throw toFailureInside(body);
  const single = asObject(body["embedding"]);
  if (single !== undefined) {
    return {
      embeddings: [toEmbedding(readValues(single), request.encoding)],
      usage: toEmbedUsage(body["usageMetadata"]),
      responseModel: asString(body["modelVersion"]) ?? "",
      warnings: body["truncated"] === true ? [cutOff()] : [],
    };
  }
  const predictions = asArray(body["predictions"]);
  if (predictions === undefined) throw notAnAnswer("embeddings", "it has no predictions");
  const rows = predictions.map((prediction) => asObject(asObject(prediction)?.["embeddings"]) ?? {});
  const statistics = rows.map((row) => asObject(row["statistics"]) ?? {});
  return {
    embeddings: rows.map((row) => toEmbedding(readValues(row), request.encoding)),
    usage: toStatisticsUsage(statistics),
    responseModel: "",
    warnings: statistics.some((one) => one["truncated"] === true) ? [cutOff()] : [],
  };
}

function toStatisticsUsage(statistics: readonly JsonRecord[]): Usage | undefined {
  const counts = statistics.map((one) => toTokenCount(one["token_count"]));
  if (counts.length === 0 || !counts.every((count) => count !== undefined)) return undefined;
  const inputTokens = counts.reduce((sum, count) => sum + count, 0);
  return create(UsageSchema, { inputTokens, outputTokens: 0, source: UsageSource.PROVIDER });
}

function cutOff(): Warning {
  return otherWarning("an input was too long, and the provider cut it off");
}
