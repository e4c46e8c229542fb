// The providers of all kinds, loaded at once: for scripts and tests that go through them. A gateway uses `loadProvider`.
import { loadFactory, providerKinds, unknownKind } from "./load-provider.ts";
import type { Provider, ProviderSettings } from "./provider.ts";

export { providerKinds };

const factories = new Map(
  await Promise.all(providerKinds.map(async (kind) => [kind, await loadFactory(kind)] as const)),
);

/** As `loadProvider`, without a wait. Throws one readable line. */
export function createProvider(settings: ProviderSettings): Provider {
  const factory = factories.get(settings.kind);
  if (factory === undefined) throw unknownKind(settings);
  return factory(settings);
}
