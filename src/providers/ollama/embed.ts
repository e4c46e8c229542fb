// Embeddings of Ollama (docs.ollama.com/api/embed).
import { create } from "@bufbuild/protobuf";
import { EmbeddingTask, type EmbedRequest, UsageSchema, UsageSource } from "../../contract.ts";
import type { HttpResponse } from "../../domain/http.ts";
import type { Embeddings } from "../../domain/operation-results.ts";
import { asArray, asString } from "../../wire/json.ts";
import { bytesOfText, toBatches, toTexts } from "../embed-inputs.ts";
import { noteMadeHere, readFloats, toEmbedding } from "../embedding-form.ts";
import { notAnAnswer, readJsonAnswer } from "../json-answer.ts";
import { postJson, toTranslation } from "../post-json.ts";
import type { UnaryOperation } from "../provider.ts";
import { providerOptionsOf } from "../provider-options.ts";
import { toTokenCount } from "../token-count.ts";
import { createTranslationLog } from "../translation-log.ts";

type Address = { readonly origin: string; readonly path: string };

/** The server has no limit; these keep one request short enough for an attempt's time. */
const batchLimits = { itemsMax: 512, bytesMax: 4_000_000 } as const;

export function createOllamaEmbed(
  address: Address,
  aliases: readonly string[],
): UnaryOperation<EmbedRequest, Embeddings> {
  return {
    toHttpRequest(request, { model }) {
      const log = createTranslationLog();
      const texts = toTexts(request, log);
      const { context, dimensions, truncate } = request;
      if (request.task !== EmbeddingTask.UNSPECIFIED) {
        log.dropped("task", "the provider does not ask what vectors are for");
      }
      if ((context?.endUserId ?? "") !== "") {
        log.dropped("context.end_user_id", "the provider takes no ids of end users");
      }
      noteMadeHere(request.encoding, log);
      // It cuts inputs off unless it is told not to.
      const options = { truncate, dimensions, ...providerOptionsOf(context?.providerOptions ?? {}, aliases) };
      return toTranslation(log, () =>
        toBatches(texts, batchLimits, bytesOfText).map((input) =>
          postJson(address.origin, address.path, { model, input, ...options }),
        ),
      );
    },
    fromHttpResponse: (response, request) => fromEmbeddings(response, request),
  };
}

function fromEmbeddings(response: HttpResponse, request: EmbedRequest): Embeddings {
  const body = readJsonAnswer(response.body, "embeddings");
  const rows = asArray(body["embeddings"]);
  if (rows === undefined) throw notAnAnswer("embeddings", "it has none");
  const inputTokens = toTokenCount(body["prompt_eval_count"]);
  const source = UsageSource.PROVIDER;
  return {
    embeddings: rows.map((row) => {
      const values = readFloats(row);
      if (values === undefined) throw notAnAnswer("embeddings", "a vector is no list of numbers");
      return toEmbedding(values, request.encoding);
    }),
    usage: inputTokens === undefined ? undefined : create(UsageSchema, { inputTokens, outputTokens: 0, source }),
    responseModel: asString(body["model"]) ?? "",
    warnings: [],
  };
}
