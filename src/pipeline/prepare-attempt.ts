// From a planned target to a request that is ready to be sent: translated, checked against the caller's policy for
// unsupported parameters, and signed.
import { type CompleteRequest, UnsupportedParameterPolicy, type Warning, WarningKind } from "../contract.ts";
import type { FieldViolation } from "../domain/call-failure.ts";
import type { Credential } from "../domain/credential.ts";
import type { HttpRequest } from "../domain/http.ts";
import type { ChatOperation, Provider, Translation, TranslationContext } from "../providers/provider.ts";
import type { PlannedTarget } from "../routing/itinerary.ts";
import type { ConfiguredProvider, PipelineParts } from "./pipeline-parts.ts";
import type { Clock } from "./ports.ts";

/** What a call wants of a target, in the words of one of the provider's operations. */
export type CallTask<Operation> = {
  /** Under REJECT a parameter that would be left out refuses the target. */
  readonly isStrict: boolean;
  /** Whether a second attempt may run beside the first: only where the first content decides. */
  readonly mayHedge?: boolean;
  /** `undefined`: this provider does not do that. */
  readonly operationOf: (provider: Provider) => Operation | undefined;
  readonly translate: (operation: Operation, context: TranslationContext) => Translation;
};

export function chatTask(request: CompleteRequest, mode: "unary" | "stream"): CallTask<ChatOperation> {
  return {
    isStrict: request.unsupportedParameters === UnsupportedParameterPolicy.REJECT,
    mayHedge: true,
    operationOf: (provider) => provider.chat,
    translate: (chat, context) => chat.toHttpRequest(request, mode, context),
  };
}

export type ReadyAttempt<Operation = unknown> = {
  readonly kind: "ready";
  readonly planned: PlannedTarget;
  readonly configured: ConfiguredProvider;
  readonly operation: Operation;
  readonly request: HttpRequest;
  /** Further requests of the attempt, not signed yet. */
  readonly rest: readonly HttpRequest[];
  readonly credential: Credential;
  readonly warnings: readonly Warning[];
};

export type PreparedAttempt<Operation> =
  | ReadyAttempt<Operation>
  | { readonly kind: "unsupported"; readonly violations: readonly FieldViolation[] };

/**
 * Rejects with `ProviderFailure` when the credential cannot be had. At once while a fresh one is held, and nothing else has to
 * be asked for a signature. `deadlineMs`: Unix; `undefined`: none.
 */
export function prepareAttempt<Operation>(
  parts: PipelineParts,
  task: CallTask<Operation>,
  planned: PlannedTarget,
  deadlineMs: number | undefined,
): PreparedAttempt<Operation> | Promise<PreparedAttempt<Operation>> {
  const { target } = planned;
  const configured = parts.providers.get(target.providerId);
  const operation = configured === undefined ? undefined : task.operationOf(configured.provider);
  if (configured === undefined || operation === undefined) {
    return { kind: "unsupported", violations: [{ field: "model", description: "no target has this method" }] };
  }
  const translation = task.translate(operation, {
    model: target.model,
    facts: target.facts,
    timeoutMs: deadlineMs === undefined ? undefined : Math.max(1, deadlineMs - parts.clock.nowMs()),
  });
  if (translation.kind === "unsupported") return translation;
  const refused = task.isStrict ? droppedParameters(translation.warnings) : [];
  if (refused.length > 0) return { kind: "unsupported", violations: refused };

  const { request, rest = noRequests, warnings } = translation;
  const unsigned = { kind: "ready", planned, configured, operation, request, rest, warnings } as const;
  const held = parts.credentials.credential(target.providerId);
  return held instanceof Promise
    ? held.then((credential) => sign(unsigned, credential, parts.clock))
    : sign(unsigned, held, parts.clock);
}

function sign<Operation>(
  unsigned: Omit<ReadyAttempt<Operation>, "credential">,
  credential: Credential,
  clock: Clock,
): ReadyAttempt<Operation> | Promise<ReadyAttempt<Operation>> {
  const signed = unsigned.configured.provider.authorise(unsigned.request, credential, clock.nowMs());
  return signed instanceof Promise
    ? signed.then((request) => ({ ...unsigned, credential, request }))
    : { ...unsigned, credential, request: signed };
}

const noRequests: readonly HttpRequest[] = [];

function droppedParameters(warnings: readonly Warning[]): readonly FieldViolation[] {
  return warnings
    .filter((warning) => warning.kind === WarningKind.PARAMETER_DROPPED)
    .map((warning) => ({ field: warning.field, description: warning.message }));
}
