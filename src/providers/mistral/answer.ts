// What Mistral means otherwise than OpenAI by the same words of an answer.
import type { Usage } from "../../contract.ts";
import type { CompletionFacts } from "../../domain/completion.ts";
import { ProviderFailure } from "../../domain/provider-failure.ts";

/** Facts in the contract's terms. Throws `ProviderFailure` when generation failed: `finish_reason: "error"`, status 200. */
export function withMistralEnd<Facts extends CompletionFacts>(facts: Facts): Facts {
  if (facts.providerFinishReason === "error") {
    throw new ProviderFailure("unavailable", "the provider ended its answer with an error", { providerCode: "error" });
  }
  return { ...facts, usage: withMistralUsage(facts.usage) };
}

/**
 * `prompt_tokens` leaves out the tokens of audio: 11 + 375 of audio + 15 = 401 in `total_tokens` (voxtral-small, recorded
 * 2026-08). The contract's count is inclusive.
 */
export function withMistralUsage(usage: Usage | undefined): Usage | undefined {
  if (usage?.inputTokens === undefined || usage.audioInputTokens === undefined) return usage;
  return { ...usage, inputTokens: usage.inputTokens + usage.audioInputTokens };
}
