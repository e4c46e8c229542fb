import type { LoadOptions } from "../config/load.ts";
import { dialectIds } from "../providers/compatible/dialects.ts";
import { loadProvider, providerKinds } from "../providers/load-provider.ts";
import type { ProviderSettings } from "../providers/provider.ts";
import { checkRule } from "../routing/check-rule.ts";

/** What a config file may name, and who checks it: the code that a gateway is made of. */
export const knownNames: LoadOptions = {
  kinds: providerKinds,
  dialects: dialectIds,
  checkRule,
  checkProvider,
};

/** A factory throws one readable line when its settings make no sense. */
async function checkProvider(settings: ProviderSettings): Promise<string | undefined> {
  try {
    await loadProvider(settings);
    return undefined;
  } catch (error) {
    if (error instanceof Error) return error.message;
    throw error;
  }
}
