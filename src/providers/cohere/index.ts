// Kind "cohere": the API of Cohere, version 2 (docs.cohere.com/reference/chat).
import { parseBaseUrl, pathBelow } from "../base-url.ts";
import { withBearer } from "../bearer-credential.ts";
import type { ProviderFactory } from "../provider.ts";
import { createCohereEmbed } from "./embed.ts";
import { toFailure } from "./failure.ts";
import { createChatReader } from "./reader.ts";
import { toHttpRequest } from "./request.ts";
import { createCohereRerank } from "./rerank.ts";
import { fromChatResponse } from "./response.ts";
import { cohereName } from "./wire.ts";

/** `settings.baseUrl` defaults to https://api.cohere.com. Throws one readable line when it makes no sense. */
export const createCohereProvider: ProviderFactory = (settings) => {
  const base = parseBaseUrl(settings.baseUrl ?? "https://api.cohere.com");
  const aliases = [...new Set([cohereName, settings.id])];
  const addressOf = (path: string) => ({ origin: base.origin, path: pathBelow(base, path) });
  const address = addressOf("/v2/chat");
  return {
    name: cohereName,
    aliases,
    authorise: withBearer,
    toFailure,
    chat: {
      framing: "sse",
      toHttpRequest: (request, mode, context) => toHttpRequest(request, mode, context, { address, aliases }),
      fromHttpResponse: (response, context) => fromChatResponse(response.body, context),
      createReader: createChatReader,
    },
    embed: createCohereEmbed(addressOf("/v2/embed"), aliases),
    rerank: createCohereRerank(addressOf("/v2/rerank"), aliases),
  };
};
