import { type CompleteRequest, ErrorReason } from "../contract.ts";
import { CallFailure } from "../domain/call-failure.ts";

/**
 * Features of the contract that this deployment does not have. Refused, never ignored: a caller who asks for a guardrail
 * must not get an unguarded answer.
 */
export function refuseUnavailableFeatures(request: CompleteRequest): void {
  if (request.prompt !== undefined) throw disabled("prompt", "stored prompts");
  if (request.guardrails.length > 0) throw disabled("guardrails", "guardrails");
}

function disabled(field: string, feature: string): CallFailure {
  return new CallFailure(ErrorReason.FEATURE_DISABLED, `${feature} are not available in this deployment`, {
    metadata: { field },
  });
}
