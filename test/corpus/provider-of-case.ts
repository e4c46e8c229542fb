// Which provider reads which recording: one row a protocol. Adding an adapter is a row here and a line less below.
import type { ProviderSettings } from "../../src/providers/provider.ts";
import type { CorpusCase } from "./corpus.ts";

/** Protocols of the corpus that no adapter reads yet. The suite fails when one of them has a row, so the set only shrinks. */
export const protocolsWithoutAdapter: ReadonlySet<string> = new Set(["cohere-v1-chat", "tgi-generate"]);

/** Frames without an exchange: the wire decoders test them. */
export const protocolsWithoutExchange: ReadonlySet<string> = new Set(["eventstream-frame"]);

/** Protocols that carry bodies of several vendors, of which one is read. */
export const protocolsReadInPart: ReadonlySet<string> = new Set(["bedrock-invoke"]);

const settingsByProtocol: Readonly<Record<string, (corpusCase: CorpusCase) => ProviderSettings | undefined>> = {
  "anthropic-messages": () => ({ id: "claude", kind: "anthropic" }),
  "bedrock-converse": () => bedrockSettings,
  "bedrock-invoke": ({ model }) => (model.includes("anthropic.") ? { ...bedrockSettings, api: "invoke" } : undefined),
  "chat-completions": ({ provider }) => chatSettings(provider),
  responses: ({ provider }) => ({ ...chatSettings(provider), api: "responses" }),
  "cohere-v2-chat": () => ({ id: "cohere", kind: "cohere" }),
  "google-generate-content": ({ provider }) => googleSettings(provider),
  "ollama-chat": () => ({ id: "ollama", kind: "ollama" }),
  "vertex-anthropic": () => ({ ...vertexSettings, publisher: "anthropic" }),
};

const bedrockSettings = { id: "bedrock", kind: "bedrock", region: "us-east-1" };

const vertexSettings = { id: "vertex", kind: "vertex", project: "p", location: "us-east5" };

function googleSettings(provider: string): ProviderSettings {
  return provider === "vertex" ? vertexSettings : { id: provider, kind: "gemini" };
}

/** Settings of the provider that reads this case; `undefined`: none does yet. */
export function settingsOfCase(corpusCase: CorpusCase): ProviderSettings | undefined {
  return settingsByProtocol[corpusCase.protocol]?.(corpusCase);
}

/** Dialects whose name in the corpus is another. */
const dialectByProvider: Readonly<Record<string, string>> = { "vercel-gateway": "vercel" };

/** Servers without a row in the table of dialects: what works with "generic" needs none. */
const genericProviders: ReadonlySet<string> = new Set([
  "bedrock-mantle",
  "chatgpt",
  "copilot",
  "doubleword",
  "gpustack",
  "mistralrs",
  "open-responses",
  "openai-compatible",
]);

function chatSettings(provider: string): ProviderSettings {
  if (provider === "openai" || provider === "mistral") return { id: provider, kind: provider };
  if (provider === "azure-openai") return { id: provider, kind: provider, baseUrl: "http://127.0.0.1:1" };
  const dialect = genericProviders.has(provider) ? "generic" : (dialectByProvider[provider] ?? provider);
  return { id: provider, kind: "openai-compatible", dialect, baseUrl: "http://127.0.0.1:1/v1" };
}
