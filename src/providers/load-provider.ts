import type { Provider, ProviderFactory, ProviderSettings } from "./provider.ts";

/** Every kind of provider: one line each. A gateway loads the code of those that its config names. */
const factories: Readonly<Record<string, () => Promise<ProviderFactory>>> = {
  anthropic: async () => (await import("./anthropic/index.ts")).createAnthropicProvider,
  "azure-openai": async () => (await import("./azure-openai/index.ts")).createAzureOpenAiProvider,
  bedrock: async () => (await import("./bedrock/index.ts")).createBedrockProvider,
  cohere: async () => (await import("./cohere/index.ts")).createCohereProvider,
  gemini: async () => (await import("./gemini/index.ts")).createGeminiProvider,
  mistral: async () => (await import("./mistral/index.ts")).createMistralProvider,
  ollama: async () => (await import("./ollama/index.ts")).createOllamaProvider,
  openai: async () => (await import("./openai/index.ts")).createOpenAiProvider,
  "openai-compatible": async () => (await import("./compatible/index.ts")).createCompatibleProvider,
  simulator: async () => (await import("./simulator/index.ts")).createSimulatorProvider,
  vertex: async () => (await import("./vertex/index.ts")).createVertexProvider,
};

/** Names for `kind:` in the config. */
export const providerKinds: readonly string[] = Object.keys(factories);

/** The factory of a kind; `undefined`: there is no such kind. */
export async function loadFactory(kind: string): Promise<ProviderFactory | undefined> {
  return Object.hasOwn(factories, kind) ? factories[kind]?.() : undefined;
}

/** The provider of one config entry. Rejects with one readable line when the kind is unknown or its settings make no sense. */
export async function loadProvider(settings: ProviderSettings): Promise<Provider> {
  const factory = await loadFactory(settings.kind);
  if (factory === undefined) throw unknownKind(settings);
  return factory(settings);
}

export function unknownKind({ id, kind }: ProviderSettings): Error {
  return new Error(`provider "${id}": unknown kind "${kind}"; known: ${providerKinds.join(", ")}`);
}
