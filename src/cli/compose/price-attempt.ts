import type { Config } from "../../config/config.ts";
import type { Attempt, Cost, Usage, UsageEvent } from "../../contract.ts";
import type { Pricer } from "../../pipeline/ports.ts";
import type { Targets } from "./create-targets.ts";

export type AttemptPrices = {
  readonly config: Pick<Config, "models">;
  readonly providers: Targets["providers"];
  readonly pricer: Pricer;
};

/**
 * What the usage of an attempt costs: at the account, model and service tier that its event names, at this time in Unix
 * milliseconds. Nothing of it need be in the config any more; a unit without a price makes the cost incomplete.
 */
export function priceAttempt(
  event: UsageEvent,
  attempt: Attempt,
  usage: Usage,
  atMs: number,
  { config, providers, pricer }: AttemptPrices,
): Cost {
  return pricer.price(usage, {
    providerId: attempt.providerId || accountOf(attempt, config, providers),
    providerName: attempt.provider,
    model: attempt.providerModel,
    projectId: event.principal?.projectId ?? "",
    serviceTier: attempt.serviceTier,
    atMs,
  });
}

type Attempted = { readonly provider: string; readonly targetId: string };

/** Of an event that an earlier version wrote, which names no account; "" when it cannot be told: list prices apply. */
function accountOf(attempt: Attempted, config: Pick<Config, "models">, providers: Targets["providers"]): string {
  const target = config.models.flatMap((model) => model.targets).find(({ id }) => id === attempt.targetId);
  if (target !== undefined) return target.providerId;
  const [id, ...others] = [...providers]
    .filter(([, { provider }]) => provider.name === attempt.provider)
    .map(([own]) => own);
  return others.length === 0 ? (id ?? "") : "";
}
