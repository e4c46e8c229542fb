// What binds keys beside the scopes of the configuration: their own rate limits, and the budgets that they are charged to.
import type { BudgetConfig } from "../../config/config.ts";
import { adminKeys } from "../../contract.ts";
import type { KeyBindings, KeyLimit } from "../../policy/admission.ts";
import type { LimitMeter } from "../../policy/limits/limit-rules.ts";
import type { BudgetIndex } from "../budgets/budget-index.ts";
import type { KeyIndex } from "./key-index.ts";

const { RateLimitUnit } = adminKeys;

type Unit = { readonly meter: LimitMeter; readonly name: string };

const units: Readonly<Record<number, Unit>> = {
  [RateLimitUnit.REQUESTS]: { meter: "requests", name: "requests" },
  [RateLimitUnit.INPUT_TOKENS]: { meter: "input-tokens", name: "input_tokens" },
  [RateLimitUnit.OUTPUT_TOKENS]: { meter: "output-tokens", name: "output_tokens" },
  [RateLimitUnit.TOKENS]: { meter: "tokens", name: "tokens" },
  [RateLimitUnit.CONCURRENT_REQUESTS]: { meter: "concurrency", name: "concurrency" },
};

const windows = { 60: "minute", 3600: "hour", 86400: "day" } as const;

type Bound = { readonly limits: readonly KeyLimit[]; readonly budgetIds: readonly string[] };

const noLimits: readonly KeyLimit[] = [];
const noBudgets: readonly BudgetConfig[] = [];

export class KeyLimits implements KeyBindings {
  readonly #budgets: Pick<BudgetIndex, "find" | "hasFallbacks">;
  /** Only keys that have any. */
  readonly #bound = new Map<string, Bound>();

  constructor(budgets: Pick<BudgetIndex, "find" | "hasFallbacks">) {
    this.#budgets = budgets;
  }

  get hasFallbacks(): boolean {
    return this.#budgets.hasFallbacks;
  }

  limitsOf(keyId: string): readonly KeyLimit[] {
    return this.#bound.get(keyId)?.limits ?? noLimits;
  }

  budgetsOf(keyId: string): readonly BudgetConfig[] {
    const ids = this.#bound.get(keyId)?.budgetIds;
    if (ids === undefined || ids.length === 0) return noBudgets;
    return ids.map((id) => this.#budgets.find(id)?.config).filter((budget) => budget !== undefined);
  }

  /** Ids of keys that are charged to the budget. */
  keysOf(budgetId: string): readonly string[] {
    return [...this.#bound].filter(([, { budgetIds }]) => budgetIds.includes(budgetId)).map(([keyId]) => keyId);
  }

  /** A key is new, changed or gone. */
  update(keyId: string, keys: Pick<KeyIndex, "find">): void {
    const key = keys.find(keyId)?.record.key;
    if (key === undefined || key.rateLimits.length + key.budgetIds.length === 0) this.#bound.delete(keyId);
    else this.#bound.set(keyId, { limits: key.rateLimits.flatMap(toKeyLimit), budgetIds: [...new Set(key.budgetIds)] });
  }
}

/** None for what the checks of KeyService do not let pass. */
function toKeyLimit({ unit, limit, windowSeconds, model, perEndUser }: adminKeys.RateLimit): readonly KeyLimit[] {
  const known = units[unit];
  const period = known?.meter === "concurrency" ? "minute" : windows[windowSeconds as keyof typeof windows];
  if (known === undefined || period === undefined) return [];
  const name = known.meter === "concurrency" ? known.name : `${known.name}_per_${period}`;
  const windowMs = windowSeconds * 1_000;
  return [{ rule: { meter: known.meter, limit: Number(limit), name, windowMs, period }, model, perEndUser }];
}
