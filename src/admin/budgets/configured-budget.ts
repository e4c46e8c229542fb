// Budgets of the configuration file as BudgetService shows them: read-only, to those whom they bind.
import { create } from "@bufbuild/protobuf";
import type { BudgetConfig } from "../../config/config.ts";
import { adminBudgets } from "../../contract.ts";
import type { Caller } from "../../domain/principal.ts";
import { createScopeIndex } from "../../policy/scopes.ts";
import { isPlatform } from "../ownership.ts";

export type ConfiguredBudget = {
  readonly config: BudgetConfig;
  readonly budget: adminBudgets.Budget;
  /** Whose spending is shown; `undefined`: it is counted for each of many, of whom the caller is none. */
  readonly stateId: string | undefined;
};

const periods = {
  hour: adminBudgets.BudgetPeriod.HOUR,
  day: adminBudgets.BudgetPeriod.DAY,
  week: adminBudgets.BudgetPeriod.WEEK,
  month: adminBudgets.BudgetPeriod.MONTH,
  total: adminBudgets.BudgetPeriod.UNSPECIFIED,
} as const satisfies Record<BudgetConfig["period"], adminBudgets.BudgetPeriod>;

/** The budgets that bind the caller; for the platform all. */
export function configuredBudgets(budgets: readonly BudgetConfig[], caller: Caller): readonly ConfiguredBudget[] {
  return budgets.flatMap((config) => {
    const bound = createScopeIndex([config]).find(caller, "")[0]?.stateId;
    if (bound === undefined && !isPlatform(caller)) return [];
    const own = config.scope.endsWith("/*") ? undefined : config.scope;
    return [{ config, budget: toBudget(config), stateId: bound ?? own }];
  });
}

function toBudget(config: BudgetConfig): adminBudgets.Budget {
  const { hardNanoUsd, softNanoUsd, fallbackModel } = config;
  const { DOWNGRADE, NOTIFY, REJECT } = adminBudgets.BudgetAction;
  const softAction = fallbackModel === undefined ? NOTIFY : DOWNGRADE;
  return create(adminBudgets.BudgetSchema, {
    budgetId: config.id,
    displayName: `${config.scope}, ${config.period}`,
    limitNanoUsd: hardNanoUsd ?? softNanoUsd ?? 0n,
    period: periods[config.period],
    action: hardNanoUsd === undefined ? softAction : REJECT,
    fallbackModel: fallbackModel ?? "",
    notifyPercents: config.alertAt.map((fraction) => Math.round(fraction * 100)),
  });
}
