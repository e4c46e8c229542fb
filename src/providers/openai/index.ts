// Kind "openai": api.openai.com, by chat completions (the default) or by Responses.
import { parseBaseUrl, pathBelow } from "../base-url.ts";
import { withBearer } from "../bearer-credential.ts";
import type { AnswerRules } from "../compatible/answer-rules.ts";
import { createChatOperation } from "../compatible/chat-operation.ts";
import { openAiDialect } from "../compatible/dialects.ts";
import { toFailure } from "../compatible/failure.ts";
import { isReasoningModel, lacksOfModel } from "../compatible/openai-model.ts";
import type { OperationRules } from "../compatible/operation-rules.ts";
import { createOpenAiOperations } from "../compatible/operations.ts";
import type { ResponsesRules } from "../compatible/responses/request.ts";
import { createInputTokensOperation, createResponsesOperation } from "../compatible/responses/responses-operation.ts";
import type { ChatOperation, ProviderFactory, ProviderSettings } from "../provider.ts";

const defaultBaseUrl = "https://api.openai.com";

/** Throws one readable line when `api` or `base_url` makes no sense. */
export const createOpenAiProvider: ProviderFactory = (settings) => {
  const name = "openai";
  const aliases = [...new Set([name, settings.id])];
  const base = parseBaseUrl(settings.baseUrl ?? defaultBaseUrl);
  const rulesAt = (path: string): ResponsesRules => ({
    dialect: openAiDialect,
    aliases,
    origin: base.origin,
    pathOf: () => pathBelow(base, path),
    modelLacks: lacksOfModel,
    systemRoleOf: (model) => (isReasoningModel(model) ? "developer" : "system"),
    needsCiphertext: true,
  });
  const operationRules: OperationRules = {
    dialect: openAiDialect,
    aliases,
    origin: base.origin,
    pathOf: (step) => pathBelow(base, `/v1${step}`),
  };
  return {
    name,
    aliases,
    authorise: withBearer,
    toFailure,
    chat: toChat(settings, rulesAt, { providerName: name, thinkTags: false }),
    countTokens: createInputTokensOperation(rulesAt("/v1/responses/input_tokens")),
    ...createOpenAiOperations(operationRules, name),
  };
};

function toChat(
  settings: ProviderSettings,
  rulesAt: (path: string) => ResponsesRules,
  answerRules: AnswerRules,
): ChatOperation {
  switch (settings.api ?? "chat") {
    case "chat":
      return createChatOperation(rulesAt("/v1/chat/completions"), answerRules);
    case "responses":
      return createResponsesOperation(rulesAt("/v1/responses"), answerRules);
    default:
      throw new Error(`provider "${settings.id}": api "${settings.api}" is not known; known: chat, responses`);
  }
}
