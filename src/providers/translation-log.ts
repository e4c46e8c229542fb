import type { Warning } from "../contract.ts";
import type { FieldViolation } from "../domain/call-failure.ts";
import { adjustedWarning, droppedWarning, emulatedWarning, stateDroppedWarning } from "./warning.ts";

/** What a translation could not carry over one to one. `field` is always the path of the request field in the contract. */
export interface TranslationLog {
  /** The target has no such parameter: it was left out. */
  dropped(field: string, message: string): void;
  /** The value was changed to one that the target takes. */
  adjusted(field: string, message: string): void;
  /** The target has no such feature: it was imitated. */
  emulated(field: string, message: string): void;
  /** Opaque state belongs to another provider. */
  stateDropped(field: string, provider: string): void;
  /** The target cannot serve the request without this. */
  unsupported(field: string, description: string): void;
  readonly warnings: readonly Warning[];
  /** Not empty: the translation is "unsupported". */
  readonly violations: readonly FieldViolation[];
}

export function createTranslationLog(): TranslationLog {
  const warnings: Warning[] = [];
  const violations: FieldViolation[] = [];
  return {
    dropped: (field, message) => void warnings.push(droppedWarning(field, message)),
    adjusted: (field, message) => void warnings.push(adjustedWarning(field, message)),
    emulated: (field, message) => void warnings.push(emulatedWarning(field, message)),
    stateDropped: (field, provider) => void warnings.push(stateDroppedWarning(field, provider)),
    unsupported: (field, description) => void violations.push({ field, description }),
    warnings,
    violations,
  };
}
