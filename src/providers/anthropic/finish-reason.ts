import { FinishReason } from "../../contract.ts";
import { wordTable } from "../word-table.ts";

/** "Handling stop reasons". A word that we do not know is OTHER; none at all is UNSPECIFIED. */
export function toFinishReason(stopReason: string): FinishReason {
  if (stopReason === "") return FinishReason.UNSPECIFIED;
  return finishReasons[stopReason] ?? FinishReason.OTHER;
}

const finishReasons = wordTable<FinishReason>({
  end_turn: FinishReason.STOP,
  stop_sequence: FinishReason.STOP,
  max_tokens: FinishReason.MAX_TOKENS,
  model_context_window_exceeded: FinishReason.CONTEXT_WINDOW,
  tool_use: FinishReason.TOOL_CALLS,
  pause_turn: FinishReason.PAUSED,
  refusal: FinishReason.REFUSAL,
});
