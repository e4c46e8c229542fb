/** A budget that is past its soft limit, and sends calls to another model instead of refusing them. */
export type BudgetFallback = {
  readonly budgetId: string;
  /** The model that they go to. */
  readonly model: string;
};
