import { type Usage, UsageSource } from "../contract.ts";
import { firstPriced } from "./first-priced.ts";
import type { LiveCall } from "./live-call.ts";
import type { ReadyAttempt } from "./prepare-attempt.ts";

/** What an operation without counts of its provider consumed, of several usages that mean the same in other units. */
export function estimateOperation(
  { account, parts }: LiveCall,
  { planned }: Pick<ReadyAttempt, "planned">,
  usages: readonly Usage[],
): Usage | undefined {
  const { providerId, providerName, model } = planned.target;
  const { usage } = firstPriced(parts.pricer, usages, {
    providerId,
    providerName,
    model,
    projectId: account.identity.caller.projectId,
    serviceTier: "",
    atMs: parts.clock.nowMs(),
  });
  return usage === undefined ? undefined : { ...usage, source: UsageSource.ESTIMATED };
}
