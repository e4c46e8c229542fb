import { matchesPattern } from "./grant.ts";
import type { Caller } from "./principal.ts";

/** Whether the credential lets the caller name this model id. */
export function mayNameModel({ models }: Pick<Caller, "models">, modelId: string): boolean {
  return matchesPattern(models, modelId);
}

/** Whether nothing keeps the caller from any model: only such a caller learns that one does not exist (AIP-193). */
export function mayUseEveryModel({ models, providers }: Pick<Caller, "models" | "providers">): boolean {
  return models.includes("*") && (providers === undefined || providers.includes("*"));
}
