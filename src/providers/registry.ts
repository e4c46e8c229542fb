import { createCompatibleProvider } from "./compatible/index.ts";
import { createOpenAiProvider } from "./openai/index.ts";
import type { Provider, ProviderFactory, ProviderSettings } from "./provider.ts";

/** Every kind of provider: one line each. */
const factories: Readonly<Record<string, ProviderFactory>> = {
  openai: createOpenAiProvider,
  "openai-compatible": createCompatibleProvider,
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
