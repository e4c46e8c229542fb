// Kind "openai-compatible": any server that speaks OpenAI's chat completions, by a row of the table of dialects.
import { parseBaseUrl } from "../base-url.ts";
import { withBearer } from "../bearer-credential.ts";
import type { ProviderFactory, ProviderSettings } from "../provider.ts";
import { createChatOperation } from "./chat-operation.ts";
import type { Dialect, SamplingName } from "./dialect.ts";
import { dialectNamed } from "./dialects.ts";
import { toFailure } from "./failure.ts";

const nothingLacks: ReadonlySet<SamplingName> = new Set();

/** Throws one readable line: unknown dialect, unknown api, no address. */
export const createCompatibleProvider: ProviderFactory = (settings) => {
  const dialect = dialectNamed(settings.dialect ?? "generic");
  if (settings.api !== undefined && settings.api !== "chat") {
    throw new Error(`provider "${settings.id}": api "${settings.api}" is not known; known: chat`);
  }
  const name = dialect.name ?? (dialect.id === "generic" ? settings.id : dialect.id);
  const aliases = [...new Set([settings.kind, dialect.id, name, settings.id])];
  const { origin, path } = toAddress(settings, dialect);
  return {
    name,
    aliases,
    authorise: withBearer,
    toFailure,
    chat: createChatOperation(
      {
        dialect,
        aliases,
        origin,
        pathOf: () => path,
        modelLacks: () => nothingLacks,
        systemRoleOf: () => dialect.systemRole,
      },
      { providerName: name, thinkTags: dialect.thinkTags },
    ),
  };
};

/** A base with a path holds everything but "/chat/completions"; a bare origin gets the whole path of the dialect. */
function toAddress(settings: ProviderSettings, dialect: Dialect): { readonly origin: string; readonly path: string } {
  const text = settings.baseUrl ?? dialect.baseUrl;
  if (text === undefined) throw new Error(`provider "${settings.id}": dialect "${dialect.id}" needs a base_url`);
  const base = parseBaseUrl(text);
  const path = base.path === "" ? dialect.path : `${base.path}/chat/completions`;
  return { origin: base.origin, path: path + base.query };
}
