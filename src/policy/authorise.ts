// What a caller may do: its roles open services, its model list opens models. Deny by default.
import { ErrorReason } from "../contract.ts";
import { CallFailure } from "../domain/call-failure.ts";
import type { Caller, CallerRole } from "../domain/principal.ts";

/** Roles that open a service, any of them. `platform` opens all; a service that is not listed opens to `platform` only. */
const rolesByService: Readonly<Record<string, readonly CallerRole[]>> = {
  "llmgateway.v1.InferenceService": ["inference"],
  "llmgateway.v1.ModelService": ["inference", "usage", "admin"],
  "llmgateway.usage.v1.UsageService": ["usage", "admin"],
  "llmgateway.workflow.v1beta1.WorkflowService": ["inference"],
  "llmgateway.admin.v1beta1.KeyService": ["admin"],
  "llmgateway.admin.v1beta1.BudgetService": ["admin"],
  "llmgateway.admin.v1beta1.RouteService": ["platform"],
  "llmgateway.admin.v1beta1.PromptService": ["admin"],
};

/**
 * Throws `CallFailure` PERMISSION_DENIED unless a role of the caller opens the method. `method` is
 * `<package>.<Service>/<Method>`, with or without a leading slash; a bare name is a method of InferenceService.
 */
export function authoriseMethod(caller: Caller, method: string): void {
  if (caller.roles.includes("platform")) return;
  const allowed = rolesByService[toService(method)] ?? [];
  if (allowed.some((role) => caller.roles.includes(role))) return;
  throw new CallFailure(ErrorReason.PERMISSION_DENIED, "the credential does not allow this method", {
    resource: { type: "method", name: method },
  });
}

function toService(method: string): string {
  const path = method.startsWith("/") ? method.slice(1) : method;
  const slash = path.indexOf("/");
  return slash === -1 ? "llmgateway.v1.InferenceService" : path.slice(0, slash);
}

/** Whether the credential lets the caller name this model id. */
export function mayUseModel(caller: Caller, model: string): boolean {
  return caller.models.includes("*") || caller.models.includes(model);
}

/**
 * The refusal of a model that is not there or not allowed. Only who may use every model learns that one does not exist;
 * to others both cases look alike (AIP-193).
 */
export function modelRefusal(caller: Caller, model: string): CallFailure {
  const resource = { type: "model", name: model };
  return caller.models.includes("*")
    ? new CallFailure(ErrorReason.MODEL_NOT_FOUND, "no model has this name", { resource })
    : new CallFailure(ErrorReason.MODEL_NOT_ALLOWED, "the credential does not allow this model", { resource });
}
