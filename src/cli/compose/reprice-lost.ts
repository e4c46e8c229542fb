import type { Config } from "../../config/config.ts";
import type { Cost, UsageEvent } from "../../contract.ts";
import type { Pricer } from "../../pipeline/ports.ts";
import type { Targets } from "./create-targets.ts";

/**
 * What the estimated usage of a lost call costs: at the target that its START names first, at the time of its START.
 * The one attempt of the event gets the same usage and cost, so that attempts and sums agree. `undefined`: the target is
 * no longer configured, and not of the only account at its provider.
 */
export function repriceLost(
  event: UsageEvent,
  config: Pick<Config, "models">,
  providers: Targets["providers"],
  pricer: Pricer,
): Cost | undefined {
  const [attempt] = event.attempts;
  const { usage } = event;
  if (attempt === undefined || usage === undefined) return undefined;
  const target = config.models.flatMap((model) => model.targets).find(({ id }) => id === attempt.targetId);
  // Targets of stored routes are not known yet, since the journal opens first; their accounts are.
  const providerId = target?.providerId ?? onlyAccountAt(attempt.provider, providers);
  if (providerId === undefined) return undefined;
  const cost = pricer.price(usage, {
    providerId,
    providerName: attempt.provider,
    model: attempt.providerModel,
    projectId: event.principal?.projectId ?? "",
    serviceTier: "",
    atMs: Number(event.startTime?.seconds ?? 0n) * 1_000,
  });
  attempt.usage = usage;
  attempt.costNanoUsd = cost.totalNanoUsd;
  return cost;
}

function onlyAccountAt(providerName: string, providers: Targets["providers"]): string | undefined {
  const [id, ...others] = [...providers]
    .filter(([, { provider }]) => provider.name === providerName)
    .map(([own]) => own);
  return others.length === 0 ? id : undefined;
}
