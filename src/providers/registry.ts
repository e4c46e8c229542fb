import { createAnthropicProvider } from "./anthropic/index.ts";
import { createAzureOpenAiProvider } from "./azure-openai/index.ts";
import { createBedrockProvider } from "./bedrock/index.ts";
import { createCohereProvider } from "./cohere/index.ts";
import { createCompatibleProvider } from "./compatible/index.ts";
import { createGeminiProvider } from "./gemini/index.ts";
import { createMistralProvider } from "./mistral/index.ts";
import { createOllamaProvider } from "./ollama/index.ts";
import { createOpenAiProvider } from "./openai/index.ts";
import type { Provider, ProviderFactory, ProviderSettings } from "./provider.ts";
import { createSimulatorProvider } from "./simulator/index.ts";
import { createVertexProvider } from "./vertex/index.ts";

/** Every kind of provider: one line each. */
const factories: Readonly<Record<string, ProviderFactory>> = {
  anthropic: createAnthropicProvider,
  "azure-openai": createAzureOpenAiProvider,
  bedrock: createBedrockProvider,
  cohere: createCohereProvider,
  gemini: createGeminiProvider,
  mistral: createMistralProvider,
  ollama: createOllamaProvider,
  openai: createOpenAiProvider,
  "openai-compatible": createCompatibleProvider,
  simulator: createSimulatorProvider,
  vertex: createVertexProvider,
};

/** Names for `kind:` in the config. */
export const providerKinds: readonly string[] = Object.keys(factories);

/** The provider of one config entry. Throws one readable line when the kind is unknown or its settings make no sense. */
export function createProvider(settings: ProviderSettings): Provider {
  const factory = Object.hasOwn(factories, settings.kind) ? factories[settings.kind] : undefined;
  if (factory === undefined) {
    throw new Error(`provider "${settings.id}": unknown kind "${settings.kind}"; known: ${providerKinds.join(", ")}`);
  }
  return factory(settings);
}
