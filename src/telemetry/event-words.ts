// The enums of a usage event as words: lower case, as in subjects, labels and log lines.
import { AttemptOutcome, ErrorReason, FinishReason, Operation, Outcome } from "../contract.ts";

export const outcomeWords = wordsOf(Outcome);
export const attemptOutcomeWords = wordsOf(AttemptOutcome);
export const reasonWords = wordsOf(ErrorReason);
export const finishReasonWords = wordsOf(FinishReason);
/** Equal to `gen_ai.operation.name` where the conventions have the operation. */
export const operationWords = wordsOf(Operation);

/** The word of an enum value; a value of a later contract is its number. */
export function wordOf(words: readonly (string | undefined)[], value: number): string {
  return words[value] ?? String(value);
}

/** By number. Zero is "", since nothing was set. */
function wordsOf(values: Readonly<Record<string, number>>): readonly (string | undefined)[] {
  const words: (string | undefined)[] = [];
  for (const [name, value] of Object.entries(values)) words[value] = value === 0 ? "" : name.toLowerCase();
  return words;
}
