// Embeddings of Mistral (docs.mistral.ai/api/endpoint/embeddings): OpenAI's, and number formats of Codestral Embed's own.
import { EmbeddingEncoding, EmbeddingTask, type EmbedRequest } from "../../contract.ts";
import type { HttpResponse } from "../../domain/http.ts";
import type { Embeddings } from "../../domain/operation-results.ts";
import { asArray, asObject, asString } from "../../wire/json.ts";
import { fromEmbeddings, toInputUsage } from "../compatible/embed.ts";
import { bytesOfText, toBatches, toTexts } from "../embed-inputs.ts";
import { noteMadeHere, packed, readBytes } from "../embedding-form.ts";
import { notAnAnswer, readJsonAnswer } from "../json-answer.ts";
import { postJson, toTranslation } from "../post-json.ts";
import type { UnaryOperation } from "../provider.ts";
import { providerOptionsOf } from "../provider-options.ts";
import { createTranslationLog } from "../translation-log.ts";

type Address = { readonly origin: string; readonly path: string };

/** 16,384 tokens a request; a token is two bytes or more. */
const batchLimits = { itemsMax: 128, bytesMax: 32_000 } as const;

const dtypes: Readonly<Partial<Record<EmbeddingEncoding, string>>> = {
  [EmbeddingEncoding.INT8]: "int8",
  [EmbeddingEncoding.BINARY]: "ubinary",
};

export function createMistralEmbed(
  address: Address,
  aliases: readonly string[],
): UnaryOperation<EmbedRequest, Embeddings> {
  return {
    toHttpRequest(request, { model }) {
      const log = createTranslationLog();
      const texts = toTexts(request, log);
      const outputType = dtypeOf(request, model);
      if (request.task !== EmbeddingTask.UNSPECIFIED) {
        log.dropped("task", "the provider does not ask what vectors are for");
      }
      if (request.truncate) log.dropped("truncate", "the provider does not cut off inputs");
      if ((request.context?.endUserId ?? "") !== "") {
        log.dropped("context.end_user_id", "the provider takes no ids of end users");
      }
      if (outputType === undefined) noteMadeHere(request.encoding, log);
      const options = {
        output_dimension: request.dimensions,
        output_dtype: outputType,
        ...providerOptionsOf(request.context?.providerOptions ?? {}, aliases),
      };
      return toTranslation(log, () =>
        toBatches(texts, batchLimits, bytesOfText).map((input) =>
          postJson(address.origin, address.path, { model, input, ...options }),
        ),
      );
    },
    fromHttpResponse: (response, request, { model }) =>
      dtypeOf(request, model) === undefined ? fromEmbeddings(response, request) : fromPacked(response),
  };
}

/** `undefined`: the model gives floats only, or floats are wanted. */
function dtypeOf({ encoding }: EmbedRequest, model: string): string | undefined {
  return model.includes("codestral-embed") ? dtypes[encoding] : undefined;
}

function fromPacked(response: HttpResponse): Embeddings {
  const body = readJsonAnswer(response.body, "embeddings");
  const rows = asArray(body["data"]) ?? [];
  if (rows.length === 0) throw notAnAnswer("embeddings", "it has no data");
  return {
    embeddings: rows.map((row) => {
      const bytes = readBytes(asObject(row)?.["embedding"]);
      if (bytes === undefined) throw notAnAnswer("embeddings", "a vector is no list of bytes");
      return packed(bytes);
    }),
    usage: toInputUsage(asObject(body["usage"])),
    responseModel: asString(body["model"]) ?? "",
    warnings: [],
  };
}
