// Kind "azure-openai": OpenAI's models behind a resource of one's own. Same APIs, other addresses, another header, content
// filters. https://learn.microsoft.com/azure/ai-foundry/openai/latest
import type { Credential } from "../../domain/credential.ts";
import type { HttpRequest } from "../../domain/http.ts";
import { type BaseUrl, parseBaseUrl } from "../base-url.ts";
import { withBearer, withHeader } from "../bearer-credential.ts";
import type { AnswerRules } from "../compatible/answer-rules.ts";
import { createChatOperation } from "../compatible/chat-operation.ts";
import { azureDialect } from "../compatible/dialects.ts";
import { toFailure } from "../compatible/failure.ts";
import { isReasoningModel, lacksOfModel } from "../compatible/openai-model.ts";
import type { OperationRules } from "../compatible/operation-rules.ts";
import { createHostedOperations } from "../compatible/operations.ts";
import type { ResponsesRules } from "../compatible/responses/request.ts";
import { createResponsesOperation } from "../compatible/responses/responses-operation.ts";
import type { ChatOperation, ProviderFactory, ProviderSettings } from "../provider.ts";

/** Throws one readable line when `base_url` is missing or `api` is unknown. */
export const createAzureOpenAiProvider: ProviderFactory = (settings) => {
  const name = "azure.ai.openai";
  const aliases = [...new Set(["azure-openai", name, settings.id])];
  const base = toBase(settings);
  const operationRules: OperationRules = {
    dialect: azureDialect,
    aliases,
    origin: base.origin,
    pathOf: (step, model) => deploymentPath(base, settings.apiVersion, model, step),
  };
  return {
    name,
    aliases,
    authorise: withAzureCredential,
    toFailure,
    chat: toChat(settings, base, aliases, { providerName: name, thinkTags: false }),
    ...createHostedOperations(operationRules),
  };
};

function toBase(settings: ProviderSettings): BaseUrl {
  if (settings.baseUrl !== undefined) return parseBaseUrl(settings.baseUrl);
  throw new Error(`provider "${settings.id}": azure-openai needs a base_url such as https://RESOURCE.openai.azure.com`);
}

/** Keys have a header of their own; Entra tokens are bearer tokens. */
function withAzureCredential(request: HttpRequest, credential: Credential): HttpRequest {
  return credential.kind === "api-key"
    ? withHeader(request, "api-key", credential.value)
    : withBearer(request, credential);
}

function toChat(
  settings: ProviderSettings,
  base: BaseUrl,
  aliases: readonly string[],
  answerRules: AnswerRules,
): ChatOperation {
  const rulesWith = (pathOf: (model: string) => string): ResponsesRules => ({
    dialect: azureDialect,
    aliases,
    origin: base.origin,
    pathOf,
    modelLacks: lacksOfModel,
    systemRoleOf: (model) => (isReasoningModel(model) ? "developer" : "system"),
    needsCiphertext: true,
  });
  switch (settings.api ?? "chat") {
    case "chat":
      return createChatOperation(
        rulesWith((model) => deploymentPath(base, settings.apiVersion, model, "/chat/completions")),
        answerRules,
      );
    case "responses": {
      const path = responsesPath(base, settings.apiVersion);
      return createResponsesOperation(
        rulesWith(() => path),
        answerRules,
      );
    }
    default:
      throw new Error(`provider "${settings.id}": api "${settings.api}" is not known; known: chat, responses`);
  }
}

/** A dated version means the deployments path, where the model stands in the address; otherwise the v1 path. */
function deploymentPath(base: BaseUrl, apiVersion: string | undefined, model: string, step: string): string {
  // The model inference end point, for models of others than OpenAI: its address ends in /models.
  if (base.path.endsWith("/models")) return withVersion(base.path + step, base, apiVersion ?? "2024-05-01-preview");
  if (!isDated(apiVersion)) return v1Path(base, step, apiVersion);
  const prefix = `${withoutOpenAi(base.path)}/openai/deployments/${encodeURIComponent(model)}${step}`;
  return withVersion(prefix, base, apiVersion);
}

function responsesPath(base: BaseUrl, apiVersion: string | undefined): string {
  if (!isDated(apiVersion)) return v1Path(base, "/responses", apiVersion);
  return withVersion(`${withoutOpenAi(base.path)}/openai/responses`, base, apiVersion);
}

/** "2024-10-21" or "2025-04-01-preview"; but "preview", "latest" and "v1" belong to the v1 path. */
function isDated(apiVersion: string | undefined): boolean {
  return apiVersion !== undefined && /^\d{4}-\d{2}-\d{2}/.test(apiVersion);
}

function v1Path(base: BaseUrl, step: string, apiVersion: string | undefined): string {
  const path = `${withoutOpenAi(base.path)}/openai/v1${step}`;
  return apiVersion === undefined || apiVersion === "v1" ? path + base.query : withVersion(path, base, apiVersion);
}

/** The portal shows addresses that end in /openai or /openai/v1; both mean the resource. */
function withoutOpenAi(path: string): string {
  return path.replace(/\/openai(?:\/v1)?$/, "");
}

function withVersion(path: string, base: BaseUrl, apiVersion: string | undefined): string {
  const version = `api-version=${encodeURIComponent(apiVersion ?? "")}`;
  return base.query === "" ? `${path}?${version}` : `${path}${base.query}&${version}`;
}
