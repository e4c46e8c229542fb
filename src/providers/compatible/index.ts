// Kind "openai-compatible": any server that speaks OpenAI's chat completions, by a row of the table of dialects.
import { parseBaseUrl } from "../base-url.ts";
import { withBearer } from "../bearer-credential.ts";
import type { ChatOperation, ProviderFactory, ProviderSettings } from "../provider.ts";
import { createChatOperation } from "./chat-operation.ts";
import type { Dialect, SamplingName } from "./dialect.ts";
import { dialectNamed } from "./dialects.ts";
import { toFailure } from "./failure.ts";
import type { OperationRules } from "./operation-rules.ts";
import { createCompatibleOperations } from "./operations.ts";
import type { ResponsesRules } from "./responses/request.ts";
import { createResponsesOperation } from "./responses/responses-operation.ts";

const nothingLacks: ReadonlySet<SamplingName> = new Set();

/** Throws one readable line: unknown dialect, unknown api, no address. */
export const createCompatibleProvider: ProviderFactory = (settings) => {
  const dialect = dialectNamed(settings.dialect ?? "generic");
  const name = dialect.name ?? (dialect.id === "generic" ? settings.id : dialect.id);
  const aliases = [...new Set([settings.kind, dialect.id, name, settings.id])];
  const operationRules: OperationRules = {
    dialect,
    aliases,
    origin: toAddress(settings, dialect, "").origin,
    pathOf: (step) => toAddress(settings, dialect, step).path,
  };
  return {
    name,
    aliases,
    authorise: withBearer,
    toFailure,
    chat: toChat(settings, dialect, name, aliases),
    ...createCompatibleOperations(operationRules, name),
  };
};

function toChat(
  settings: ProviderSettings,
  dialect: Dialect,
  providerName: string,
  aliases: readonly string[],
): ChatOperation {
  const rulesAt = (path: string): ResponsesRules => {
    const address = toAddress(settings, dialect, path);
    return {
      dialect,
      aliases,
      origin: address.origin,
      pathOf: () => address.path,
      modelLacks: () => nothingLacks,
      systemRoleOf: () => dialect.systemRole,
      needsCiphertext: false,
    };
  };
  const answerRules = { providerName, thinkTags: dialect.thinkTags };
  switch (settings.api ?? "chat") {
    case "chat":
      return createChatOperation(rulesAt("/chat/completions"), answerRules);
    case "responses":
      return createResponsesOperation(rulesAt("/responses"), answerRules);
    default:
      throw new Error(`provider "${settings.id}": api "${settings.api}" is not known; known: chat, responses`);
  }
}

/** A base with a path holds everything but the last step; a bare origin gets the whole path of the dialect. */
function toAddress(
  settings: ProviderSettings,
  dialect: Dialect,
  step: string,
): { readonly origin: string; readonly path: string } {
  const text = settings.baseUrl ?? dialect.baseUrl;
  if (text === undefined) throw new Error(`provider "${settings.id}": dialect "${dialect.id}" needs a base_url`);
  const base = parseBaseUrl(text);
  const path = base.path === "" ? dialect.path.replace("/chat/completions", step) : base.path + step;
  return { origin: base.origin, path: path + base.query };
}
