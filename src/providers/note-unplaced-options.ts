import type { Part } from "../contract.ts";
import { providerOptionsOf } from "./provider-options.ts";
import type { TranslationLog } from "./translation-log.ts";

/** For a part that becomes a member of a message, beside which the caller's own options have no place. */
export function noteUnplacedOptions(part: Part, field: string, aliases: readonly string[], log: TranslationLog): void {
  if (Object.keys(providerOptionsOf(part.providerOptions, aliases)).length === 0) return;
  log.dropped(`${field}.provider_options`, "the provider's message has no place for options of this part");
}
