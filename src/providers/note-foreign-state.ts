import { type CompleteRequest, WarningKind } from "../contract.ts";

import type { TranslationLog } from "./translation-log.ts";

/**
 * Says of each part whose opaque state another provider issued that the state was left out, unless the translation of
 * the part has said so: state may stand on any part, also on those whose translation never looks at it.
 * `names`: those under which this provider's own state stands.
 */
export function noteForeignState(request: CompleteRequest, names: readonly string[], log: TranslationLog): void {
  for (const [position, message] of request.messages.entries()) {
    for (const [index, { state }] of message.parts.entries()) {
      if (state === undefined || names.includes(state.provider)) continue;
      const field = `messages[${position}].parts[${index}]`;
      if (!isSaid(field, log)) log.stateDropped(`${field}.state`, state.provider);
    }
  }
}

function isSaid(field: string, { warnings }: TranslationLog): boolean {
  return warnings.some(
    (warning) =>
      warning.kind === WarningKind.STATE_DROPPED && (warning.field === field || warning.field.startsWith(`${field}.`)),
  );
}
