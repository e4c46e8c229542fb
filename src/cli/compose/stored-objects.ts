import { BudgetIndex } from "../../admin/budgets/budget-index.ts";
import { KeyLimits } from "../../admin/keys/key-limits.ts";
import type { Config } from "../../config/config.ts";
import type { Log } from "../../telemetry/logger.ts";

/** What admission asks of stored objects; filled when administration opens. */
export type StoredObjects = { readonly budgets: BudgetIndex; readonly limits: KeyLimits };

export function createStoredObjects(config: Config, log: Log): StoredObjects {
  const ids = new Set(config.budgets.map(({ id }) => id));
  const budgets = new BudgetIndex(ids, warnUnusable(log));
  return { budgets, limits: new KeyLimits(budgets) };
}

/** The message of the error has no secret. */
export function warnUnusable({ logger }: Log): (object: string, error: unknown) => void {
  return (object, error) => {
    const cause = error instanceof Error ? error.message : String(error);
    logger.error({ object, cause }, "a stored object cannot be used");
  };
}
