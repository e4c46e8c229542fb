import type { RoutingLimits } from "./routing-limits.ts";

/**
 * How long a target rests after a 429 (or another failure that names a wait). The provider's own wait is honoured;
 * without one it doubles with each 429 in a row. `inARow`: 1 for the first.
 */
export function cooldownMs(retryAfterMs: number | undefined, inARow: number, limits: RoutingLimits): number {
  const wishedMs = retryAfterMs ?? limits.cooldownMsDefault * 2 ** Math.min(inARow - 1, 16);
  return Math.min(limits.cooldownMsMax, Math.max(0, wishedMs));
}
