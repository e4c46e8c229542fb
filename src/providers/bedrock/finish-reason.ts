import { FinishReason } from "../../contract.ts";
import { wordTable } from "../word-table.ts";

const reasonByWord = wordTable<FinishReason>({
  end_turn: FinishReason.STOP,
  stop_sequence: FinishReason.STOP,
  max_tokens: FinishReason.MAX_TOKENS,
  model_context_window_exceeded: FinishReason.CONTEXT_WINDOW,
  tool_use: FinishReason.TOOL_CALLS,
  content_filtered: FinishReason.CONTENT_FILTER,
  guardrail_intervened: FinishReason.GUARDRAIL,
  malformed_model_output: FinishReason.MALFORMED_OUTPUT,
  malformed_tool_use: FinishReason.MALFORMED_OUTPUT,
  refusal: FinishReason.REFUSAL,
  pause_turn: FinishReason.PAUSED,
});

/** "Converse", `stopReason`. A word that we do not know is OTHER. Some models say "end_turn" with calls. */
export function toFinishReason(word: string, hasCalls: boolean): FinishReason {
  const reason = word === "" ? FinishReason.UNSPECIFIED : (reasonByWord[word] ?? FinishReason.OTHER);
  return hasCalls && reason === FinishReason.STOP ? FinishReason.TOOL_CALLS : reason;
}
