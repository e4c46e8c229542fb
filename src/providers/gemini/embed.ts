// Embeddings of the Gemini API (ai.google.dev/api/embeddings, "batchEmbedContents").
import { create } from "@bufbuild/protobuf";
import { EmbeddingTask, type EmbedRequest, type Usage, UsageSchema, UsageSource } from "../../contract.ts";
import type { HttpResponse } from "../../domain/http.ts";
import type { Embeddings } from "../../domain/operation-results.ts";
import { asArray, asObject, asString } from "../../wire/json.ts";
import { toBatches } from "../embed-inputs.ts";
import { noteMadeHere, readFloats, toEmbedding } from "../embedding-form.ts";
import { notAnAnswer, readJsonAnswer } from "../json-answer.ts";
import { type JsonOutObject, writeJson } from "../json-writer.ts";
import { postJson, toTranslation } from "../post-json.ts";
import type { UnaryOperation } from "../provider.ts";
import { providerOptionsOf } from "../provider-options.ts";
import { createTranslationLog, type TranslationLog } from "../translation-log.ts";
import { toFailureInside } from "./failure.ts";
import { toPartJson } from "./part-json.ts";
import { toUsage } from "./usage.ts";

export type EmbedRules = {
  readonly aliases: readonly string[];
  readonly origin: string;
  /** Path and query of a method such as "batchEmbedContents". */
  readonly pathOf: (model: string, method: string) => string;
  /** "models/gemini-embedding-001". */
  readonly nameOf: (model: string) => string;
};

/** "At most 100 requests can be in one batch". */
const batchLimits = { itemsMax: 100, bytesMax: 8 << 20 } as const;

export function createGeminiEmbed(rules: EmbedRules): UnaryOperation<EmbedRequest, Embeddings> {
  return {
    toHttpRequest(request, { model }) {
      const log = createTranslationLog();
      const options = toEmbedOptions(request, model, rules.aliases, log);
      const requests = toContents(request, model, rules.aliases, log).map((content) => ({
        model: rules.nameOf(model),
        content,
        ...options,
      }));
      return toTranslation(log, () =>
        toBatches(requests, batchLimits, (one) => writeJson(one).length).map((batch) =>
          postJson(rules.origin, rules.pathOf(model, "batchEmbedContents"), { requests: batch }),
        ),
      );
    },
    fromHttpResponse: (response, request) => fromBatch(response, request),
  };
}

/** From the second generation on the model takes media, and is told its task in words instead of a field. */
export function isMultimodal(model: string): boolean {
  return /gemini-embedding-[2-9]/.test(model);
}

export function toContents(
  request: EmbedRequest,
  model: string,
  aliases: readonly string[],
  log: TranslationLog,
): readonly JsonOutObject[] {
  const context = { aliases, calls: new Map(), log };
  return request.inputs.map((input, index) => {
    const parts = input.parts.map((part, position) => {
      const field = `inputs[${index}].parts[${position}]`;
      if (part.content.case !== "text" && !isMultimodal(model)) log.unsupported(field, "the model embeds text only");
      return toPartJson(part, field, context);
    });
    return { parts: parts.filter((part) => part !== undefined) };
  });
}

export const taskWords: Readonly<Partial<Record<EmbeddingTask, string>>> = {
  [EmbeddingTask.QUERY]: "RETRIEVAL_QUERY",
  [EmbeddingTask.DOCUMENT]: "RETRIEVAL_DOCUMENT",
  [EmbeddingTask.SIMILARITY]: "SEMANTIC_SIMILARITY",
  [EmbeddingTask.CLASSIFICATION]: "CLASSIFICATION",
  [EmbeddingTask.CLUSTERING]: "CLUSTERING",
};

function toEmbedOptions(
  request: EmbedRequest,
  model: string,
  aliases: readonly string[],
  log: TranslationLog,
): JsonOutObject {
  const taskType = toTaskType(request.task, model, log);
  noteMadeHere(request.encoding, log);
  noteEndUser(request, log);
  return {
    taskType,
    outputDimensionality: request.dimensions,
    ...providerOptionsOf(request.context?.providerOptions ?? {}, aliases),
  };
}

export function toTaskType(task: EmbeddingTask, model: string, log: TranslationLog): string | undefined {
  const word = taskWords[task];
  if (word !== undefined && isMultimodal(model)) {
    log.dropped("task", "the model reads its task from the text");
    return undefined;
  }
  return word;
}

export function noteEndUser({ context }: Pick<EmbedRequest, "context">, log: TranslationLog): void {
  if ((context?.endUserId ?? "") !== "") log.dropped("context.end_user_id", "the provider takes no ids of end users");
}

function fromBatch(response: HttpResponse, request: EmbedRequest): Embeddings {
  const body = readJsonAnswer(response.body, "embeddings");
  if (body["error"] !== undefined) throw toFailureInside(body);
  const rows = asArray(body["embeddings"]);
  if (rows === undefined) throw notAnAnswer("embeddings", "it has none");
  return {
    embeddings: rows.map((row) => toEmbedding(readValues(row), request.encoding)),
    usage: toEmbedUsage(body["usageMetadata"]),
    responseModel: asString(body["modelVersion"]) ?? "",
    warnings: [],
  };
}

/** `ContentEmbedding`. */
export function readValues(row: unknown): readonly number[] {
  const values = readFloats(asObject(row)?.["values"]);
  if (values === undefined) throw notAnAnswer("embeddings", "a vector is no list of numbers");
  return values;
}

/** The first generation reports no counts here. */
export function toEmbedUsage(metadata: unknown): Usage | undefined {
  const usage = toUsage(asObject(metadata) ?? {}, 0);
  return usage === undefined
    ? undefined
    : create(UsageSchema, { ...usage, outputTokens: 0, source: UsageSource.PROVIDER });
}
