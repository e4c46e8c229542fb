import { FinishReason } from "../../contract.ts";
import { wordTable } from "../word-table.ts";

const reasonByWord = wordTable<FinishReason>({
  stop: FinishReason.STOP,
  length: FinishReason.MAX_TOKENS,
});

/** `done_reason`; calls decide over the word, since with them it is "stop" too. Servers before 0.1.38 give none. */
export function toFinishReason(word: string, hasCalls: boolean): FinishReason {
  const reason = word === "" ? FinishReason.UNSPECIFIED : (reasonByWord[word] ?? FinishReason.OTHER);
  const isPlainEnd = reason === FinishReason.STOP || reason === FinishReason.UNSPECIFIED;
  return hasCalls && isPlainEnd ? FinishReason.TOOL_CALLS : reason;
}
