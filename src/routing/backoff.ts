import type { RoutingLimits } from "./routing-limits.ts";

/**
 * Milliseconds to wait before the same target is asked again: decorrelated jitter, uniform between the shortest backoff
 * and three times the one before (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
 * `previousMs`: 0 for the first. `random`: from 0 to 1.
 */
export function backoffMs(previousMs: number, random: number, limits: RoutingLimits): number {
  const { backoffMsMin, backoffMsMax } = limits;
  const upperMs = Math.max(backoffMsMin, previousMs) * 3;
  return Math.round(Math.min(backoffMsMax, backoffMsMin + random * (upperMs - backoffMsMin)));
}
