import { FinishReason } from "../../contract.ts";
import { wordTable } from "../word-table.ts";

const reasonByWord = wordTable<FinishReason>({
  stop: FinishReason.STOP,
  eos: FinishReason.STOP, // Together.
  eos_token: FinishReason.STOP, // TGI.
  stop_sequence: FinishReason.STOP, // TGI.
  end_turn: FinishReason.STOP,
  length: FinishReason.MAX_TOKENS,
  max_tokens: FinishReason.MAX_TOKENS,
  model_length: FinishReason.CONTEXT_WINDOW, // Mistral.
  tool_calls: FinishReason.TOOL_CALLS,
  function_call: FinishReason.TOOL_CALLS,
  content_filter: FinishReason.CONTENT_FILTER,
  sensitive: FinishReason.CONTENT_FILTER, // z.ai.
  refusal: FinishReason.REFUSAL,
});

/** What the answer held beside the server's own word for its end. */
export type FinishFacts = {
  /** Calls that the caller has to execute. */
  readonly hasToolCalls: boolean;
  readonly hasRefusal: boolean;
  /** A call came without a name. */
  readonly hasMalformedCall: boolean;
};

/**
 * Why generation ended. Calls decide over the word: with a forced function OpenAI says "stop", Ollama always does; and
 * "tool_calls" without a call (tools that the server ran itself) is a plain end.
 */
export function toFinishReason(word: string, facts: FinishFacts): FinishReason {
  const reason = word === "" ? FinishReason.UNSPECIFIED : (reasonByWord[word.toLowerCase()] ?? FinishReason.OTHER);
  if (facts.hasMalformedCall) return FinishReason.MALFORMED_OUTPUT;
  switch (reason) {
    case FinishReason.STOP:
    case FinishReason.UNSPECIFIED:
    case FinishReason.TOOL_CALLS:
      if (facts.hasToolCalls) return FinishReason.TOOL_CALLS;
      if (facts.hasRefusal) return FinishReason.REFUSAL;
      return reason === FinishReason.TOOL_CALLS ? FinishReason.STOP : reason;
    default:
      return reason;
  }
}
