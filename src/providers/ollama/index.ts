// Kind "ollama": Ollama's own API, `/api/chat` (docs.ollama.com/api/chat). It tells and takes more than the one that is
// compatible with OpenAI's: options of the runner, thinking apart, counts in every answer.
import { parseBaseUrl, pathBelow } from "../base-url.ts";
import { withBearer } from "../bearer-credential.ts";
import { toFailure } from "../compatible/failure.ts";
import type { ProviderFactory } from "../provider.ts";
import { createOllamaEmbed } from "./embed.ts";
import { createChatReader } from "./reader.ts";
import { toHttpRequest } from "./request.ts";
import { fromChatResponse } from "./response.ts";
import { ollamaName } from "./wire.ts";

/** `settings.baseUrl` defaults to http://127.0.0.1:11434. Throws one readable line when it makes no sense. */
export const createOllamaProvider: ProviderFactory = (settings) => {
  const base = parseBaseUrl(settings.baseUrl ?? "http://127.0.0.1:11434");
  const aliases = [...new Set([ollamaName, settings.id])];
  const address = { origin: base.origin, path: pathBelow(base, "/api/chat") };
  return {
    name: ollamaName,
    aliases,
    authorise: withBearer,
    toFailure,
    chat: {
      framing: "ndjson",
      toHttpRequest: (request, mode, context) => toHttpRequest(request, mode, context, { address, aliases }),
      fromHttpResponse: (response, context) => fromChatResponse(response.body, context),
      createReader: createChatReader,
    },
    embed: createOllamaEmbed({ origin: base.origin, path: pathBelow(base, "/api/embed") }, aliases),
  };
};
