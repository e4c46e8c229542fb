import { matchesPattern } from "./grant.ts";
import type { Caller } from "./principal.ts";

/** Id, kind and OpenTelemetry name of a target's provider in lower case: what lists of providers are compared with. */
export function providerNamesOf(target: {
  readonly providerId: string;
  readonly providerKind: string;
  readonly providerName: string;
}): readonly string[] {
  return [target.providerId, target.providerKind, target.providerName].map((name) => name.toLowerCase());
}

/** Whether the credential lets calls be served by a provider of these names. */
export function mayReachProvider({ providers }: Pick<Caller, "providers">, names: readonly string[]): boolean {
  return providers === undefined || names.some((name) => matchesPattern(providers, name));
}
