import type { Config } from "../../config/config.ts";

export type WithSimulator = { readonly config: Config; close(): Promise<void> };

/** Starts a simulator in this process for entries of kind "simulator" that name no address; none is started in vain. */
export async function withSimulator(config: Config): Promise<WithSimulator> {
  const needsOne = (provider: Config["providers"][number]): boolean =>
    provider.settings.kind === "simulator" && provider.settings.baseUrl === undefined;
  if (!config.providers.some(needsOne)) return { config, close: async () => {} };
  const { startSimulator } = await import("../../simulator/start-simulator.ts");
  const simulator = await startSimulator();
  const providers = config.providers.map((provider) =>
    needsOne(provider) ? { ...provider, settings: { ...provider.settings, baseUrl: simulator.url } } : provider,
  );
  return { config: { ...config, providers }, close: () => simulator.close() };
}
