// The stored budgets as this instance knows them: fed by the store's watch, and at once by our own changes.
import type { BudgetConfig } from "../../config/config.ts";
import type { ObjectChange } from "../../state/objects/object-store.ts";
import { toObjectToken } from "../../state/objects/to-object-token.ts";
import { ObjectVersions } from "../object-versions.ts";
import { type BudgetRecord, parseBudgetRecord, toBudgetConfig } from "./budget-record.ts";

export type StoredBudget = { readonly record: BudgetRecord; readonly revision: number; readonly config: BudgetConfig };

const prefix = "budget.";

export function toBudgetObject(budgetId: string): string {
  return prefix + toObjectToken(budgetId);
}

export class BudgetIndex {
  readonly #configIds: ReadonlySet<string>;
  readonly #onUnusable: (objectKey: string, error: unknown) => void;
  readonly #versions = new ObjectVersions();
  /** By key of the object. */
  readonly #budgets = new Map<string, StoredBudget>();
  #hasFallbacks = false;

  /** `configIds`: budgets of the configuration file, which win. */
  constructor(configIds: ReadonlySet<string>, onUnusable: (objectKey: string, error: unknown) => void) {
    this.#configIds = configIds;
    this.#onUnusable = onUnusable;
  }

  find(budgetId: string): StoredBudget | undefined {
    return this.#budgets.get(toBudgetObject(budgetId));
  }

  /** Whether any budget names a fallback model. */
  get hasFallbacks(): boolean {
    return this.#hasFallbacks;
  }

  /** In no order. */
  values(): Iterable<StoredBudget> {
    return this.#budgets.values();
  }

  /** Takes a change of the store; of other objects and of old versions, nothing. */
  apply(change: ObjectChange): void {
    const objectKey = change.kind === "put" ? change.object.key : change.key;
    if (!objectKey.startsWith(prefix) || !this.#versions.isNews(change)) return;
    if (change.kind === "deleted") {
      this.#budgets.delete(objectKey);
      this.#look();
      return;
    }
    try {
      this.#take(objectKey, parseBudgetRecord(change.object.value), change.object.revision);
    } catch (error) {
      // The version before goes on to bind: a budget that vanished would be a budget without end.
      this.#onUnusable(objectKey, error);
    }
  }

  #take(objectKey: string, record: BudgetRecord, revision: number): void {
    if (this.#configIds.has(record.budget.budgetId)) {
      throw new Error("a budget of the configuration file has the same id");
    }
    const config = toBudgetConfig(record);
    const before = this.#budgets.get(objectKey)?.config;
    // The same object while nothing that counts has changed: admission compares by it, and alerts again after a change.
    const isSame = before !== undefined && isEqual(before, config);
    this.#budgets.set(objectKey, { record, revision, config: isSame ? before : config });
    this.#look();
  }

  #look(): void {
    this.#hasFallbacks = [...this.#budgets.values()].some(({ config }) => config.fallbackModel !== undefined);
  }
}

function isEqual(one: BudgetConfig, other: BudgetConfig): boolean {
  return (
    one.scope === other.scope &&
    one.period === other.period &&
    one.hardNanoUsd === other.hardNanoUsd &&
    one.softNanoUsd === other.softNanoUsd &&
    one.fallbackModel === other.fallbackModel &&
    one.alertAt.join() === other.alertAt.join()
  );
}
