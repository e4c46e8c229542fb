// From a planned target to a request that is ready to be sent: translated, checked against the caller's policy for
// unsupported parameters, and signed.
import { type CompleteRequest, UnsupportedParameterPolicy, type Warning, WarningKind } from "../contract.ts";
import type { FieldViolation } from "../domain/call-failure.ts";
import type { Credential } from "../domain/credential.ts";
import type { HttpRequest } from "../domain/http.ts";
import type { ChatOperation } from "../providers/provider.ts";
import type { PlannedTarget } from "../routing/itinerary.ts";
import type { ConfiguredProvider, PipelineParts } from "./pipeline-parts.ts";

export type PreparedAttempt =
  | {
      readonly kind: "ready";
      readonly planned: PlannedTarget;
      readonly configured: ConfiguredProvider;
      readonly chat: ChatOperation;
      readonly request: HttpRequest;
      readonly credential: Credential;
      readonly warnings: readonly Warning[];
    }
  | { readonly kind: "unsupported"; readonly violations: readonly FieldViolation[] };

export type ReadyAttempt = Extract<PreparedAttempt, { kind: "ready" }>;

/** Rejects with `ProviderFailure` when the credential cannot be had. */
export async function prepareAttempt(
  parts: PipelineParts,
  request: CompleteRequest,
  mode: "unary" | "stream",
  planned: PlannedTarget,
): Promise<PreparedAttempt> {
  const { target } = planned;
  const configured = parts.providers.get(target.providerId);
  const chat = configured?.provider.chat;
  if (configured === undefined || chat === undefined) {
    return { kind: "unsupported", violations: [{ field: "model", description: "this target does not chat" }] };
  }
  const translation = chat.toHttpRequest(request, mode, { model: target.model, facts: target.facts });
  if (translation.kind === "unsupported") return translation;
  const refused = refusedByPolicy(request, translation.warnings);
  if (refused.length > 0) return { kind: "unsupported", violations: refused };

  const held = parts.credentials.credential(target.providerId);
  const credential = held instanceof Promise ? await held : held;
  const signed = configured.provider.authorise(translation.request, credential, parts.clock.nowMs());
  return {
    kind: "ready",
    planned,
    configured,
    chat,
    request: signed instanceof Promise ? await signed : signed,
    credential,
    warnings: translation.warnings,
  };
}

/** Under REJECT, a parameter that would be left out refuses the target. */
function refusedByPolicy(request: CompleteRequest, warnings: readonly Warning[]): readonly FieldViolation[] {
  if (request.unsupportedParameters !== UnsupportedParameterPolicy.REJECT) return [];
  return warnings
    .filter((warning) => warning.kind === WarningKind.PARAMETER_DROPPED)
    .map((warning) => ({ field: warning.field, description: warning.message }));
}
