import { FinishReason } from "../../contract.ts";
import { wordTable } from "../word-table.ts";

const reasonByWord = wordTable<FinishReason>({
  COMPLETE: FinishReason.STOP,
  STOP_SEQUENCE: FinishReason.STOP,
  MAX_TOKENS: FinishReason.MAX_TOKENS,
  TOOL_CALL: FinishReason.TOOL_CALLS,
});

/** "Chat", `finish_reason`. A word that we do not know is OTHER; none at all is UNSPECIFIED. Failures are no reasons. */
export function toFinishReason(word: string): FinishReason {
  return word === "" ? FinishReason.UNSPECIFIED : (reasonByWord[word] ?? FinishReason.OTHER);
}
