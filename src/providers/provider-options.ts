import type { JsonFacts } from "../domain/contract-types.ts";
import type { JsonOutObject } from "./json-writer.ts";

/** The caller's own parameters for this provider, under whichever of its names they stand; later names win. */
export function providerOptionsOf(options: JsonFacts, aliases: readonly string[]): JsonOutObject {
  let merged: JsonOutObject = {};
  for (const alias of aliases) {
    const own = options[alias];
    if (own !== undefined) merged = { ...merged, ...own };
  }
  return merged;
}
