// The words for operations and outcomes in subjects and in the dimensions of UsageService: the names of the contract in
// lower case, without prefix.
import { Operation, Outcome } from "../contract.ts";

const operationWords = wordsOf(Operation);
const outcomeWords = wordsOf(Outcome);
const unknownWord = "unspecified";

/** e.g. "chat"; "unspecified" for a number that this version does not know. */
export function operationWord(operation: number): string {
  return operationWords.get(operation) ?? unknownWord;
}

/** e.g. "succeeded"; "unspecified" for a number that this version does not know. */
export function outcomeWord(outcome: number): string {
  return outcomeWords.get(outcome) ?? unknownWord;
}

/** The generator has taken the prefix off the names already. */
function wordsOf(values: Readonly<Record<string, number>>): ReadonlyMap<number, string> {
  return new Map(Object.entries(values).map(([name, number]) => [number, name.toLowerCase()]));
}
