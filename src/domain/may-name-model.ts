import type { Caller } from "./principal.ts";

/** Whether the credential lets the caller name this model id. */
export function mayNameModel({ models }: Pick<Caller, "models">, modelId: string): boolean {
  return (
    models.includes(modelId) ||
    models.some((pattern) => pattern.endsWith("*") && modelId.startsWith(pattern.slice(0, -1)))
  );
}
