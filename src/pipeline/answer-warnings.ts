import { create } from "@bufbuild/protobuf";
import { type CompleteRequest, ResponseCacheMode, type Warning, WarningKind, WarningSchema } from "../contract.ts";
import type { BudgetFallback } from "../domain/budget-fallback.ts";
import type { ReadyAttempt } from "./prepare-attempt.ts";

/** What was done differently from what was asked: in translation, in reading the answer, by routing, by this deployment. */
export function answerWarnings(
  request: Pick<CompleteRequest, "model" | "responseCache" | "routing">,
  ready: Pick<ReadyAttempt, "warnings" | "planned">,
  ofAnswer: readonly Warning[],
  ofGateway: readonly Warning[],
  fallback: BudgetFallback | undefined,
): Warning[] {
  const warnings = [...ready.warnings, ...ofAnswer, ...ofGateway];
  if (ready.planned.modelId !== request.model) {
    warnings.push(
      create(WarningSchema, {
        kind: WarningKind.MODEL_FALLBACK,
        field: "model",
        message:
          fallback === undefined
            ? `answered by ${ready.planned.modelId}`
            : `answered by ${ready.planned.modelId}: the budget ${fallback.budgetId} is past its limit`,
      }),
    );
  }
  if (fallback !== undefined && (request.routing?.fallbackModels.length ?? 0) > 0) {
    warnings.push(
      create(WarningSchema, {
        kind: WarningKind.PARAMETER_DROPPED,
        field: "routing.fallback_models",
        message: `the budget ${fallback.budgetId} is past its limit and chooses the model`,
      }),
    );
  }
  const cacheMode = request.responseCache?.mode ?? ResponseCacheMode.UNSPECIFIED;
  if (cacheMode !== ResponseCacheMode.UNSPECIFIED && cacheMode !== ResponseCacheMode.OFF) {
    warnings.push(
      create(WarningSchema, {
        kind: WarningKind.PARAMETER_DROPPED,
        field: "response_cache.mode",
        message: "this deployment has no response cache",
      }),
    );
  }
  return warnings;
}

/** The state that replicas share cannot be reached, and the config says to go on without. */
export function knownHereAlone(): Warning {
  return create(WarningSchema, {
    field: "request_id",
    message: "NATS cannot be reached: the id is known to one replica of the gateway alone",
  });
}
