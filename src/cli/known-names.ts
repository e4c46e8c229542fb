import type { LoadOptions } from "../config/load.ts";
import { dialectIds } from "../providers/compatible/dialects.ts";
import type { ProviderSettings } from "../providers/provider.ts";
import { createProvider, providerKinds } from "../providers/registry.ts";
import { checkRule } from "../routing/check-rule.ts";

/** What a config file may name, and who checks it: the code that a gateway is made of. */
export const knownNames: LoadOptions = {
  kinds: providerKinds,
  dialects: dialectIds,
  checkRule,
  checkProvider,
};

/** A factory throws one readable line when its settings make no sense. */
function checkProvider(settings: ProviderSettings): string | undefined {
  try {
    createProvider(settings);
    return undefined;
  } catch (error) {
    if (error instanceof Error) return error.message;
    throw error;
  }
}
