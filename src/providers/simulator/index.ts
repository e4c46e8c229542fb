// Kind "simulator": answers without an account, for trying out routes, limits and budgets. It speaks OpenAI's chat
// completions with a simulator (`llm-gateway simulate`), whose model names say what to answer and what to break.
import { createCompatibleProvider } from "../compatible/index.ts";
import type { ProviderFactory } from "../provider.ts";

/** Stands until the gateway has started a simulator of its own and knows its address. */
const noAddressYet = "http://127.0.0.1:1";

/** Without `base_url` the gateway starts a simulator in its own process. */
export const createSimulatorProvider: ProviderFactory = (settings) => ({
  ...createCompatibleProvider({ ...settings, dialect: "generic", baseUrl: settings.baseUrl ?? noAddressYet }),
  name: "simulator",
  aliases: [...new Set(["simulator", settings.id])],
});
