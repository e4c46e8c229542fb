// Kind "openai": api.openai.com, by chat completions (the default) or by Responses.
import { parseBaseUrl, pathBelow } from "../base-url.ts";
import { withBearer } from "../bearer-credential.ts";
import { createChatOperation } from "../compatible/chat-operation.ts";
import { openAiDialect } from "../compatible/dialects.ts";
import { toFailure } from "../compatible/failure.ts";
import type { ChatOperation, ProviderFactory, ProviderSettings } from "../provider.ts";
import { isReasoningModel, lacksOfModel } from "./reasoning-model.ts";

const defaultBaseUrl = "https://api.openai.com";

/** Throws one readable line when `api` or `base_url` makes no sense. */
export const createOpenAiProvider: ProviderFactory = (settings) => {
  const name = "openai";
  const aliases = [...new Set([name, settings.id])];
  return {
    name,
    aliases,
    authorise: withBearer,
    toFailure,
    chat: toChat(settings, name, aliases),
  };
};

function toChat(settings: ProviderSettings, providerName: string, aliases: readonly string[]): ChatOperation {
  const base = parseBaseUrl(settings.baseUrl ?? defaultBaseUrl);
  switch (settings.api ?? "chat") {
    case "chat": {
      const path = pathBelow(base, "/v1/chat/completions");
      return createChatOperation(
        {
          dialect: openAiDialect,
          aliases,
          origin: base.origin,
          pathOf: () => path,
          modelLacks: lacksOfModel,
          systemRoleOf: (model) => (isReasoningModel(model) ? "developer" : "system"),
        },
        { providerName, thinkTags: false },
      );
    }
    default:
      throw new Error(`provider "${settings.id}": api "${settings.api}" is not known; known: chat`);
  }
}
