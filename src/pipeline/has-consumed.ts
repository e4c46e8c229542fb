import { ProviderFailure } from "../domain/provider-failure.ts";
import { isOurTimeout, type Seen } from "./unary-attempt.ts";

/**
 * Whether a provider that gave no whole answer bills its input all the same: it was at work when it was cut off by us, by
 * our patience or by the network. One that refused, in its status or in its answer, does not, nor one that was not reached.
 */
export function hasConsumed(error: unknown, seen: Seen): boolean {
  if (seen.status >= 300) return false;
  if (!(error instanceof ProviderFailure)) return true;
  return error.kind === "interrupted" || isOurTimeout(error);
}
