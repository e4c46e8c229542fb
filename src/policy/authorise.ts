// What a caller may do: its roles open services, its model list opens models. Deny by default.
import { ErrorReason } from "../contract.ts";
import { CallFailure } from "../domain/call-failure.ts";
import { mayNameModel, mayUseEveryModel } from "../domain/may-name-model.ts";
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
  const path = toPath(method);
  const service = path.slice(0, path.indexOf("/"));
  const allowed = rolesByService[service] ?? [];
  const isOpen = caller.roles.includes("platform") || allowed.some((role) => caller.roles.includes(role));
  if (isOpen && mayCallMethod(caller, path)) return;
  throw new CallFailure(ErrorReason.PERMISSION_DENIED, "the credential does not allow this method", {
    resource: { type: "method", name: method },
  });
}

/** Whether the credential's own list of methods has `<package>.<Service>/<Method>`; one without a list has all. */
export function mayCallMethod({ methods }: Caller, path: string): boolean {
  if (methods === undefined || methods.includes(path)) return true;
  return methods.includes(`${path.slice(0, path.indexOf("/"))}/*`);
}

function toPath(method: string): string {
  const path = method.startsWith("/") ? method.slice(1) : method;
  return path.includes("/") ? path : `llmgateway.v1.InferenceService/${path}`;
}

/** Whether the credential lets the caller name this model id. */
export function mayUseModel(caller: Caller, model: string): boolean {
  return mayNameModel(caller, model);
}

/**
 * The refusal of a model that is not there or not allowed. Only who may use every model learns that one does not exist;
 * to others both cases look alike (AIP-193).
 */
export function modelRefusal(caller: Caller, model: string): CallFailure {
  const resource = { type: "model", name: model };
  return mayUseEveryModel(caller)
    ? new CallFailure(ErrorReason.MODEL_NOT_FOUND, "no model has this name", { resource })
    : new CallFailure(ErrorReason.MODEL_NOT_ALLOWED, "the credential does not allow this model", { resource });
}
