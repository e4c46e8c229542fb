// A budget as it is stored: the contract's message without what is only answered, and whose it is.
import { fromJson, type JsonValue, toJson } from "@bufbuild/protobuf";
import type { BudgetConfig } from "../../config/config.ts";
import { adminBudgets } from "../../contract.ts";
import { isObject, textAt } from "../stored-json.ts";

export type BudgetRecord = {
  /** Without etag and figures. */
  readonly budget: adminBudgets.Budget;
  /** Project that administers it; "": the platform. */
  readonly projectId: string;
  /** Names the account of what is spent: another period, or a budget made anew under an old id, begins at zero. */
  readonly account: string;
  /** Digest of the request that created it, when that had a request id; "" otherwise. */
  readonly creation: string;
};

export function formatBudgetRecord({ budget, projectId, account, creation }: BudgetRecord): string {
  return JSON.stringify({ budget: toJson(adminBudgets.BudgetSchema, budget), projectId, account, creation });
}

/** Throws on a text that `formatBudgetRecord` did not write. */
export function parseBudgetRecord(text: string): BudgetRecord {
  const json: unknown = JSON.parse(text);
  if (!isObject(json)) throw new Error("not a stored budget");
  return {
    budget: fromJson(adminBudgets.BudgetSchema, json["budget"] as JsonValue),
    projectId: textAt(json, "projectId"),
    account: textAt(json, "account"),
    creation: textAt(json, "creation"),
  };
}

const periods: Readonly<Record<number, BudgetConfig["period"]>> = {
  [adminBudgets.BudgetPeriod.HOUR]: "hour",
  [adminBudgets.BudgetPeriod.DAY]: "day",
  [adminBudgets.BudgetPeriod.WEEK]: "week",
  [adminBudgets.BudgetPeriod.MONTH]: "month",
};

/** What admission knows of it. */
export function toBudgetConfig({ budget, account }: BudgetRecord): BudgetConfig {
  const { DOWNGRADE, NOTIFY } = adminBudgets.BudgetAction;
  const isSoft = budget.action === NOTIFY || budget.action === DOWNGRADE;
  const percents = isSoft ? [...budget.notifyPercents, 100] : budget.notifyPercents;
  return {
    id: budget.budgetId,
    scope: `stored/${account}`,
    period: periods[budget.period] ?? "total",
    alertAt: [...new Set(percents)].map((percent) => percent / 100),
    ...(isSoft ? { softNanoUsd: budget.limitNanoUsd } : { hardNanoUsd: budget.limitNanoUsd }),
    ...(budget.action === DOWNGRADE ? { fallbackModel: budget.fallbackModel } : {}),
  };
}
