// Kind "mistral": chat completions at api.mistral.ai (docs.mistral.ai/api/endpoint/chat), which are OpenAI's in most.
import { parseBaseUrl, pathBelow } from "../base-url.ts";
import { withBearer } from "../bearer-credential.ts";
import { toFailure } from "../compatible/failure.ts";
import { createModerateOperation } from "../compatible/moderate.ts";
import { createReader } from "../compatible/reader.ts";
import { toCompletion } from "../compatible/response.ts";
import type { ProviderFactory } from "../provider.ts";
import { withMistralEnd, withMistralUsage } from "./answer.ts";
import { mistralDialect } from "./dialect.ts";
import { createMistralEmbed } from "./embed.ts";
import { toHttpRequest } from "./request.ts";

const name = "mistral_ai";

/** `settings.baseUrl` defaults to https://api.mistral.ai. Throws one readable line when it makes no sense. */
export const createMistralProvider: ProviderFactory = (settings) => {
  const base = parseBaseUrl(settings.baseUrl ?? "https://api.mistral.ai");
  const aliases = [...new Set([name, settings.kind, settings.id])];
  const address = { origin: base.origin, path: pathBelow(base, "/v1/chat/completions") };
  const answerRules = { providerName: name, thinkTags: false };
  return {
    name,
    aliases,
    authorise: withBearer,
    toFailure,
    chat: {
      framing: "sse",
      toHttpRequest: (request, mode, context) => toHttpRequest(request, mode, context, { address, aliases }),
      fromHttpResponse: (response, context) => withMistralEnd(toCompletion(response, answerRules, context)),
      createReader(context) {
        const reader = createReader(answerRules, context);
        return {
          read: (event) => reader.read(event),
          isDone: () => reader.isDone(),
          finish() {
            const { events, facts } = reader.finish();
            return { events, facts: withMistralEnd(facts) };
          },
          usage: () => withMistralUsage(reader.usage()),
        };
      },
      continues: () => true, // "Prefix".
    },
    embed: createMistralEmbed({ origin: base.origin, path: pathBelow(base, "/v1/embeddings") }, aliases),
    moderate: createModerateOperation({
      dialect: mistralDialect,
      aliases,
      origin: base.origin,
      pathOf: (step) => pathBelow(base, `/v1${step}`),
      source: name,
      images: false,
    }),
  };
};
