// InferenceService.Explain: the decisions of a call without the call. Same code as the call's own: the router's plan, the
// admission's accounts.
import { create } from "@bufbuild/protobuf";
import {
  ErrorReason,
  ExcludedTargetSchema,
  ExplainedTargetSchema,
  type ExplainRequest,
  type ExplainResponse,
  ExplainResponseSchema,
  type QuotaState,
  QuotaStateSchema,
} from "../contract.ts";
import { CallFailure } from "../domain/call-failure.ts";
import type { Caller } from "../domain/principal.ts";
import { estimateInputTokens } from "../metering/estimate-tokens.ts";
import { toDuration, toTimestamp } from "../metering/usage-event.ts";
import type { AdmissionControl } from "../policy/admission.ts";
import { authoriseMethod } from "../policy/authorise.ts";
import { authoriseRequest } from "../policy/authorise-request.ts";
import type { AdmissionState } from "../policy/gates.ts";
import type { RoutingDesk } from "../routing/router.ts";
import type { Clock } from "./ports.ts";
import { refuseReservedOptions } from "./refuse-reserved-options.ts";
import { refuseUnavailableFeatures } from "./unavailable-features.ts";

export type ExplainerParts = {
  readonly router: Pick<RoutingDesk, "explain">;
  readonly admission: Pick<AdmissionControl, "state" | "fallback">;
  readonly clock: Clock;
};

/** Throws what the call itself would be refused with. */
export function explainCall(
  parts: ExplainerParts,
  caller: Caller,
  { request, streaming }: ExplainRequest,
): ExplainResponse {
  if (request === undefined) throw new CallFailure(ErrorReason.INVALID_REQUEST, "request is required");
  authoriseMethod(caller, "Explain");
  refuseUnavailableFeatures(request);
  refuseReservedOptions(request);
  const nowMs = parts.clock.nowMs();
  const inputTokens = estimateInputTokens(request);
  authoriseRequest(caller, request, inputTokens, "Complete");
  const budgetFallback = parts.admission.fallback?.(caller, request, nowMs);
  const query = { caller, request, streaming, inputTokens, nowMs, deadlineMs: undefined, budgetFallback };
  const plan = parts.router.explain(query);
  return create(ExplainResponseSchema, {
    ruleId: plan.ruleId,
    fallbackBudgetId: budgetFallback?.budgetId ?? "",
    modelId: plan.modelId,
    maxAttempts: plan.attemptsMax,
    estimatedInputTokens: inputTokens,
    targets: plan.targets.map(({ target, modelId, expectedCostNanoUsd, expectedLatencyMs, skippedBecause }) =>
      create(ExplainedTargetSchema, {
        targetId: target.id,
        modelId,
        provider: target.providerName,
        providerModel: target.model,
        region: target.region,
        ...(expectedCostNanoUsd === undefined ? {} : { expectedCostNanoUsd: BigInt(Math.round(expectedCostNanoUsd)) }),
        ...(expectedLatencyMs === undefined ? {} : { expectedDuration: toDuration(expectedLatencyMs) }),
        skippedBecause: skippedBecause ?? "",
      }),
    ),
    excludedTargets: plan.excluded.map(({ target, modelId, field, because }) =>
      create(ExcludedTargetSchema, { targetId: target.id, modelId, field, reason: because }),
    ),
    limitedByCredential: plan.isNarrowed,
    quotas: parts.admission.state(caller, request, nowMs).map(toQuota),
  });
}

function toQuota({ subject, name, spent, reserved, limit, resetsAtMs }: AdmissionState): QuotaState {
  return create(QuotaStateSchema, {
    subject,
    name,
    spent,
    reserved,
    ...(limit === undefined ? {} : { limit }),
    ...(Number.isFinite(resetsAtMs) ? { resetTime: toTimestamp(resetsAtMs) } : {}),
  });
}
