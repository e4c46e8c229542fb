import { create } from "@bufbuild/protobuf";
import { type Usage, UsageSchema, UsageSource } from "../contract.ts";

/**
 * What an attempt without a final count consumed: what the provider said so far, and our own estimate for the rest.
 * `outputCharacters` is what reached us; the provider may have generated a little more.
 */
export function estimateUsage(known: Usage | undefined, inputTokens: number, outputCharacters: number): Usage {
  const outputTokens = Math.max(known?.outputTokens ?? 0, estimateTokens(outputCharacters));
  if (known === undefined) {
    return {
      $typeName: "llmgateway.v1.Usage",
      inputTokens,
      outputTokens,
      cacheWrites: [],
      providerToolCalls: {},
      source: UsageSource.ESTIMATED,
    };
  }
  return create(UsageSchema, {
    ...known,
    inputTokens: known.inputTokens ?? inputTokens,
    outputTokens,
    source: UsageSource.MIXED,
  });
}

/** Latin text; other scripts have fewer characters to a token, and are estimated a little low. */
export const charactersPerToken = 4;

/** Characters that are estimated as so many tokens. */
export function charactersOfTokens(tokens: number): number {
  return tokens * charactersPerToken;
}

export function estimateTokens(characters: number): number {
  return Math.ceil(characters / charactersPerToken);
}
