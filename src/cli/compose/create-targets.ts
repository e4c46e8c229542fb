import type { Config, TargetConfig } from "../../config/config.ts";
import type { Target } from "../../domain/target.ts";
import type { ConfiguredProvider } from "../../pipeline/pipeline-parts.ts";
import type { Catalogue } from "../../pipeline/ports.ts";
import { loadProvider } from "../../providers/load-provider.ts";

export type Targets = {
  /** By id of the config entry. */
  readonly providers: ReadonlyMap<string, ConfiguredProvider>;
  /** The target of a config entry; what the config says of the model wins over the catalogue. */
  readonly targetOf: (entry: TargetConfig) => Target;
};

/** Loads the code of the kinds that the config names. Rejects with one readable line when the settings of a provider make no sense. */
export async function createTargets(config: Pick<Config, "providers">, catalogue: Catalogue): Promise<Targets> {
  const providers = new Map(
    await Promise.all(
      config.providers.map(
        async ({ settings, timeouts, minRate }) =>
          [settings.id, { provider: await loadProvider(settings), timeouts, minRate }] as const,
      ),
    ),
  );
  const kinds = new Map(config.providers.map(({ settings }) => [settings.id, settings.kind]));
  return {
    providers,
    targetOf: ({ facts, ...entry }) => {
      const providerName = providers.get(entry.providerId)?.provider.name ?? entry.providerId;
      const known = catalogue.facts(providerName, entry.model);
      return {
        ...entry,
        providerKind: kinds.get(entry.providerId) ?? "",
        providerName,
        facts: { ...known, ...definedOnly(facts) },
      };
    },
  };
}

function definedOnly<Shape extends object>(shape: Shape): Partial<Shape> {
  return Object.fromEntries(Object.entries(shape).filter(([, value]) => value !== undefined)) as Partial<Shape>;
}
