import { create } from "@bufbuild/protobuf";
import { type EmbedRequest, type EmbedResponse, EmbedResponseSchema, UsageSchema } from "../../contract.ts";
import type { Embeddings } from "../../domain/operation-results.ts";
import { ProviderFailure } from "../../domain/provider-failure.ts";
import type { Operation } from "../operation.ts";

export const embed: Operation<EmbedRequest, Embeddings, EmbedResponse> = {
  of: (provider) => provider.embed,
  inputField: "inputs",
  inputs: (request) => request.inputs.flatMap((input) => input.parts),
  unitsMost: (_request, inputTokens) => [create(UsageSchema, { inputTokens, outputTokens: 0 })],
  join(results, request) {
    const embeddings = results.flatMap((result) => result.embeddings);
    if (embeddings.length === request.inputs.length) return { embeddings };
    throw new ProviderFailure(
      "bad-response",
      `the provider gave ${embeddings.length} vectors for ${request.inputs.length} inputs`,
    );
  },
  toResponse: ({ embeddings }, info) => create(EmbedResponseSchema, { embeddings: [...embeddings], info }),
};
