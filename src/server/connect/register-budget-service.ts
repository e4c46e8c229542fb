import type { ConnectRouter } from "@connectrpc/connect";
import { adminBudgets } from "../../contract.ts";
import type { Services } from "../services.ts";
import type { ServiceCalls } from "./service-calls.ts";

export function registerBudgetService(router: ConnectRouter, { budgets }: Services, calls: ServiceCalls): void {
  if (budgets === undefined) return;
  router.service(adminBudgets.BudgetService, {
    createBudget: calls.unary(adminBudgets.CreateBudgetRequestSchema, "admin", (caller, request) =>
      budgets.create(caller, request),
    ),
    getBudget: calls.unary(adminBudgets.GetBudgetRequestSchema, "admin", (caller, request) =>
      budgets.get(caller, request),
    ),
    listBudgets: calls.unary(adminBudgets.ListBudgetsRequestSchema, "admin", (caller, request) =>
      budgets.list(caller, request),
    ),
    updateBudget: calls.unary(adminBudgets.UpdateBudgetRequestSchema, "admin", (caller, request) =>
      budgets.update(caller, request),
    ),
    deleteBudget: calls.unary(adminBudgets.DeleteBudgetRequestSchema, "admin", (caller, request) =>
      budgets.delete(caller, request),
    ),
  });
}
