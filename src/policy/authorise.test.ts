import { describe, expect, it } from "vitest";
import { ErrorReason } from "../contract.ts";
import type { Caller, CallerRole } from "../domain/principal.ts";
import { authoriseMethod, mayUseModel, modelRefusal } from "./authorise.ts";

function callerWith(roles: readonly CallerRole[], models: readonly string[] = ["*"]): Caller {
  return { organisationId: "", teamId: "", projectId: "p", keyId: "k", service: "", roles, models };
}

const denied = expect.objectContaining({ reason: ErrorReason.PERMISSION_DENIED });

describe("methods", () => {
  it.each<[CallerRole, string]>([
    ["inference", "Complete"],
    ["inference", "/llmgateway.v1.InferenceService/StreamComplete"],
    ["usage", "llmgateway.usage.v1.UsageService/QueryUsage"],
    ["admin", "llmgateway.admin.v1beta1.KeyService/CreateKey"],
    ["platform", "llmgateway.admin.v1beta1.RouteService/CreateRoute"],
    ["platform", "some.future.v1.Service/Method"],
  ])("lets %s call %s", (role, method) => {
    expect(() => authoriseMethod(callerWith([role]), method)).not.toThrow();
  });

  it.each<[CallerRole, string]>([
    ["usage", "Complete"],
    ["inference", "llmgateway.usage.v1.UsageService/QueryUsage"],
    ["inference", "llmgateway.admin.v1beta1.KeyService/CreateKey"],
    ["admin", "Complete"],
    ["admin", "llmgateway.admin.v1beta1.RouteService/CreateRoute"],
    ["admin", "some.future.v1.Service/Method"],
  ])("refuses %s to call %s", (role, method) => {
    expect(() => authoriseMethod(callerWith([role]), method)).toThrow(denied);
  });

  it("refuses a caller without roles everything", () => {
    expect(() => authoriseMethod(callerWith([]), "Complete")).toThrow(denied);
  });
});

describe("models", () => {
  it("allows what is listed, or all", () => {
    expect(mayUseModel(callerWith([], ["a"]), "a")).toBe(true);
    expect(mayUseModel(callerWith([], ["a"]), "b")).toBe(false);
    expect(mayUseModel(callerWith([], ["*"]), "b")).toBe(true);
    expect(mayUseModel(callerWith([], []), "b")).toBe(false);
  });

  it("tells only those who may use every model that one does not exist", () => {
    expect(modelRefusal(callerWith([], ["*"]), "x").reason).toBe(ErrorReason.MODEL_NOT_FOUND);
    expect(modelRefusal(callerWith([], ["a"]), "x").reason).toBe(ErrorReason.MODEL_NOT_ALLOWED);
  });
});
