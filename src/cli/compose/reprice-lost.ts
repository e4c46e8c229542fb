import type { Config } from "../../config/config.ts";
import type { Cost, Usage, UsageEvent } from "../../contract.ts";
import type { Pricer } from "../../pipeline/ports.ts";
import type { Targets } from "./create-targets.ts";

/**
 * What the estimated usage of a lost call costs: at the account, model and service tier that its START names, at the time of
 * its START. Nothing of it need be in the config any more; a unit without a price makes the cost incomplete. `undefined`:
 * no target was found for the call, so that nothing was sent.
 */
export function repriceLost(
  event: UsageEvent,
  usage: Usage,
  config: Pick<Config, "models">,
  providers: Targets["providers"],
  pricer: Pricer,
): Cost | undefined {
  const [attempt] = event.attempts;
  if (attempt === undefined) return undefined;
  return pricer.price(usage, {
    providerId: attempt.providerId || accountOf(attempt, config, providers),
    providerName: attempt.provider,
    model: attempt.providerModel,
    projectId: event.principal?.projectId ?? "",
    serviceTier: attempt.serviceTier,
    atMs: Number(event.startTime?.seconds ?? 0n) * 1_000,
  });
}

type Attempted = { readonly provider: string; readonly targetId: string };

/** Of a START that an earlier version wrote, which names no account; "" when it cannot be told: list prices apply. */
function accountOf(attempt: Attempted, config: Pick<Config, "models">, providers: Targets["providers"]): string {
  const target = config.models.flatMap((model) => model.targets).find(({ id }) => id === attempt.targetId);
  if (target !== undefined) return target.providerId;
  const [id, ...others] = [...providers]
    .filter(([, { provider }]) => provider.name === attempt.provider)
    .map(([own]) => own);
  return others.length === 0 ? (id ?? "") : "";
}
