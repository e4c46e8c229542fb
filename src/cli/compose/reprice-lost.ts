import type { Cost, Usage, UsageEvent } from "../../contract.ts";
import { type AttemptPrices, priceAttempt } from "./price-attempt.ts";

/**
 * What the estimated usage of a lost call costs, at the time of its START. `undefined`: no target was found for the call, so
 * that nothing was sent.
 */
export function repriceLost(event: UsageEvent, usage: Usage, prices: AttemptPrices): Cost | undefined {
  const [attempt] = event.attempts;
  if (attempt === undefined) return undefined;
  return priceAttempt(event, attempt, usage, Number(event.startTime?.seconds ?? 0n) * 1_000, prices);
}
