import type { BudgetAlert } from "../../policy/budgets/budget-alerts.ts";

/** A budget alert as it is told outside: JSON, money as decimal text. Told again with the same id, it is the same alert. */
export function toAlertMessage(alert: BudgetAlert, atMs: number): string {
  const { budgetId, subject, periodId, threshold, spentNanoUsd, limitNanoUsd } = alert;
  return JSON.stringify({
    id: [budgetId, subject, periodId, threshold].join("|"),
    type: "budget.alert",
    time: new Date(atMs).toISOString(),
    budget_id: budgetId,
    subject,
    period: periodId,
    threshold,
    spent_nano_usd: `${spentNanoUsd}`,
    limit_nano_usd: `${limitNanoUsd}`,
  });
}
