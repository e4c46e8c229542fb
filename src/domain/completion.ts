// What one attempt produced, in the words of the contract. The unary translation gives a whole `Completion`; the stream
// translation gives `StreamEvent`s and, at its end, the same `CompletionFacts`. Invariant 1: folding the one gives the other.
import type { FinishReason, Part, SafetyFinding, Usage, Warning } from "../contract.ts";
import type { JsonFacts } from "./contract-types.ts";

export type CompletionFacts = {
  readonly finishReason: FinishReason;
  /** The provider's own word, e.g. "end_turn"; "" when it gave none. */
  readonly providerFinishReason: string;
  /** Stop sequence that ended generation; "" when none is named. */
  readonly stopSequence: string;
  /** Inclusive counts (OTel rule); `undefined` when the provider reported none. */
  readonly usage: Usage | undefined;
  /** Model name that the provider reported; "" when it did not. */
  readonly responseModel: string;
  /** The provider's id of the answer; "" when it gave none. */
  readonly providerResponseId: string;
  /** Service tier that the provider says it used; "" when it does not say. */
  readonly serviceTier: string;
  readonly safetyFindings: readonly SafetyFinding[];
  readonly warnings: readonly Warning[];
  /** Facts without a field of their own, by provider name. */
  readonly providerMetadata: JsonFacts;
  /** What the provider itself says that the answer cost, in nano-USD; `undefined` when it does not say. */
  readonly reportedCostNanoUsd?: bigint | undefined;
};

export type Completion = CompletionFacts & { readonly parts: readonly Part[] };
