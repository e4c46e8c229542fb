// BudgetService: budgets that keys are charged to, with what is spent of them. A changed limit counts with the next call.
import { hash } from "node:crypto";
import { clone, create, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { BudgetConfig, Config } from "../../config/config.ts";
import { adminBudgets } from "../../contract.ts";
import type { CallFailure, FieldViolation } from "../../domain/call-failure.ts";
import type { Caller } from "../../domain/principal.ts";
import type { AdmissionControl } from "../../policy/admission.ts";
import type { ObjectStore, StoredObject } from "../../state/objects/object-store.ts";
import type { AuditKind, AuditTrail } from "../audit/audit-trail.ts";
import { changeObject, replaceObject } from "../change-object.ts";
import { chooseId } from "../choose-id.ts";
import { CreateMemory } from "../create-memory.ts";
import { assertEtag, toEtag } from "../etag.ts";
import { fieldsToChange, withFields } from "../field-mask.ts";
import { isPlatform, mayAdminister, resourceNotFound } from "../ownership.ts";
import { fromPageToken, pageSizeOf, toPageToken } from "../page-token.ts";
import { existsAlready, invalid, isInConfig, stateUnreachable } from "../refusals.ts";
import { type BudgetIndex, type StoredBudget, toBudgetObject } from "./budget-index.ts";
import { type BudgetRecord, formatBudgetRecord, parseBudgetRecord } from "./budget-record.ts";
import { configuredBudgets } from "./configured-budget.ts";

export type BudgetAdministrationParts = {
  readonly store: ObjectStore;
  readonly index: BudgetIndex;
  /** Ids of keys that are charged to the budget. */
  readonly keysOf: (budgetId: string) => readonly string[];
  /** Budgets of the configuration file: shown, never changed. */
  readonly configBudgets: readonly BudgetConfig[];
  readonly tenants: Config["tenants"];
  readonly figures: AdmissionControl["figures"];
  readonly isModel: (id: string) => boolean;
  readonly audit: AuditTrail;
  readonly nowMs: () => number;
  readonly randomBytes: (length: number) => Uint8Array;
};

type Budget = adminBudgets.Budget;
/** A budget as it is answered, but for the figures. */
type Shown = { readonly budget: Budget; readonly config: BudgetConfig; readonly stateId: string | undefined };

const { BudgetSchema } = adminBudgets;
/** Fields of a budget that UpdateBudget changes. */
const changeable = ["display_name", "limit_nano_usd", "period", "action", "fallback_model", "notify_percents"];
const percentMax = 1_000;
const accountBytes = 9;

export class BudgetAdministration {
  readonly #parts: BudgetAdministrationParts;
  readonly #created = new CreateMemory<adminBudgets.CreateBudgetResponse>();
  readonly #configIds: ReadonlySet<string>;

  constructor(parts: BudgetAdministrationParts) {
    this.#parts = parts;
    this.#configIds = new Set(parts.configBudgets.map(({ id }) => id));
  }

  create(caller: Caller, request: adminBudgets.CreateBudgetRequest): Promise<adminBudgets.CreateBudgetResponse> {
    const payload = hash("sha256", toBinary(adminBudgets.CreateBudgetRequestSchema, request), "hex");
    return this.#created.once(caller, request.requestId, payload, this.#parts.nowMs(), () =>
      this.#create(caller, request, payload),
    );
  }

  async get(caller: Caller, { budgetId }: adminBudgets.GetBudgetRequest): Promise<adminBudgets.GetBudgetResponse> {
    const stored = this.#parts.index.find(budgetId);
    const [configured] = configuredBudgets(
      this.#parts.configBudgets.filter(({ id }) => id === budgetId),
      caller,
    );
    const own = stored !== undefined && mayAdminister(caller, stored.record.projectId) ? toShown(stored) : configured;
    if (own === undefined) throw this.#notFound(caller, budgetId);
    return create(adminBudgets.GetBudgetResponseSchema, { budget: await this.#withFigures(own) });
  }

  async list(caller: Caller, request: adminBudgets.ListBudgetsRequest): Promise<adminBudgets.ListBudgetsResponse> {
    const after = request.pageToken === "" ? "" : fromPageToken(request.pageToken);
    const budgets = this.#visible(caller)
      .filter(({ budget }) => budget.budgetId > after)
      .sort((a, b) => (a.budget.budgetId < b.budget.budgetId ? -1 : 1));
    const page = budgets.slice(0, pageSizeOf(request.pageSize));
    const last = page.at(-1);
    return create(adminBudgets.ListBudgetsResponseSchema, {
      budgets: await Promise.all(page.map((shown) => this.#withFigures(shown))),
      nextPageToken: last === undefined || page.length === budgets.length ? "" : toPageToken(last.budget.budgetId),
    });
  }

  async update(caller: Caller, request: adminBudgets.UpdateBudgetRequest): Promise<adminBudgets.UpdateBudgetResponse> {
    const { store, index } = this.#parts;
    const wanted = request.budget ?? create(BudgetSchema);
    const { budgetId, etag } = wanted;
    const fields = fieldsToChange(BudgetSchema, changeable, wanted, request.updateMask?.paths ?? []);
    const objectKey = toBudgetObject(budgetId);
    await changeObject(store, objectKey, async (current) => {
      const before = this.#recordToChange(caller, budgetId, current);
      if (current === undefined) throw this.#notFound(caller, budgetId);
      assertEtag(etag, current.revision, "budget", budgetId);
      const budget = withFields(BudgetSchema, before.budget, wanted, fields);
      assertFit(budget, this.#parts.isModel);
      const account = budget.period === before.budget.period ? before.account : this.#newAccount();
      const value = formatBudgetRecord({ ...before, budget, account });
      const revision = await replaceObject(store, { ...current, value }, { etag, type: "budget", id: budgetId });
      index.apply({ kind: "put", object: { key: objectKey, value, revision } });
    });
    await this.#audit("budget.updated", caller, budgetId, fields);
    return create(adminBudgets.UpdateBudgetResponseSchema, { budget: await this.#shown(caller, budgetId) });
  }

  async delete(
    caller: Caller,
    { budgetId, etag }: adminBudgets.DeleteBudgetRequest,
  ): Promise<adminBudgets.DeleteBudgetResponse> {
    const { store, index } = this.#parts;
    const objectKey = toBudgetObject(budgetId);
    await changeObject(store, objectKey, async (current) => {
      this.#recordToChange(caller, budgetId, current);
      if (current === undefined) throw this.#notFound(caller, budgetId);
      assertEtag(etag, current.revision, "budget", budgetId);
      this.#assertUnused(budgetId);
      await store.delete(objectKey, current.revision);
      index.apply({ kind: "deleted", key: objectKey, revision: current.revision });
    });
    await this.#audit("budget.deleted", caller, budgetId);
    return create(adminBudgets.DeleteBudgetResponseSchema);
  }

  // ── Creation and rules ────────────────────────────────────────────────────────────────────────────────────────────

  async #create(
    caller: Caller,
    { budget: wanted, requestId }: adminBudgets.CreateBudgetRequest,
    payload: string,
  ): Promise<adminBudgets.CreateBudgetResponse> {
    const { store, index } = this.#parts;
    const record: BudgetRecord = {
      budget: this.#toNewBudget(caller, wanted ?? create(BudgetSchema), requestId),
      projectId: isPlatform(caller) ? "" : caller.projectId,
      account: this.#newAccount(),
      creation: requestId === "" ? "" : payload,
    };
    const { budgetId } = record.budget;
    assertFit(record.budget, this.#parts.isModel);
    const objectKey = toBudgetObject(budgetId);
    const isNew = await changeObject(store, objectKey, async (current) => {
      if (current !== undefined) {
        if (record.creation !== "" && parseBudgetRecord(current.value).creation === record.creation) return false;
        throw existsAlready("budget", budgetId);
      }
      const value = formatBudgetRecord(record);
      const revision = await store.put(objectKey, value, "absent");
      index.apply({ kind: "put", object: { key: objectKey, value, revision } });
      return true;
    });
    if (isNew) await this.#audit("budget.created", caller, budgetId);
    return create(adminBudgets.CreateBudgetResponseSchema, { budget: await this.#shown(caller, budgetId) });
  }

  /** What was asked for, without output fields, with an id. */
  #toNewBudget(caller: Caller, wanted: Budget, requestId: string): Budget {
    const { tenants, randomBytes } = this.#parts;
    const { projectId } = caller;
    if (this.#configIds.has(wanted.budgetId) && isPlatform(caller)) throw isInConfig("budget", wanted.budgetId);
    const question = { caller, type: "budget", wanted: wanted.budgetId, projectId, requestId } as const;
    const budget = withFields(BudgetSchema, create(BudgetSchema), wanted, changeable);
    budget.budgetId = chooseId({ ...question, tenants, randomBytes });
    if (this.#configIds.has(budget.budgetId)) throw existsAlready("budget", budget.budgetId);
    return budget;
  }

  #newAccount(): string {
    return Buffer.from(this.#parts.randomBytes(accountBytes)).toString("base64url");
  }

  /** What is stored, if the caller may change it. */
  #recordToChange(caller: Caller, budgetId: string, current: StoredObject | undefined): BudgetRecord {
    const isShown = configuredBudgets(this.#parts.configBudgets, caller).some(({ config }) => config.id === budgetId);
    if (isShown) throw isInConfig("budget", budgetId);
    const record = current === undefined ? undefined : parseBudgetRecord(current.value);
    if (record === undefined || !mayAdminister(caller, record.projectId)) throw this.#notFound(caller, budgetId);
    return record;
  }

  #assertUnused(budgetId: string): void {
    const keys = this.#parts.keysOf(budgetId);
    if (keys.length === 0) return;
    throw invalid({ field: "budget_id", description: `keys are charged to it: ${keys.slice(0, 5).join(", ")}` });
  }

  // ── Answers ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #visible(caller: Caller): readonly Shown[] {
    const stored = [...this.#parts.index.values()].filter(({ record }) => mayAdminister(caller, record.projectId));
    return [...stored.map(toShown), ...configuredBudgets(this.#parts.configBudgets, caller)];
  }

  async #shown(caller: Caller, budgetId: string): Promise<Budget> {
    const stored = this.#parts.index.find(budgetId);
    // Deleted by somebody else a moment after it was written.
    if (stored === undefined) throw this.#notFound(caller, budgetId);
    return this.#withFigures(toShown(stored));
  }

  async #withFigures({ budget, config, stateId }: Shown): Promise<Budget> {
    if (stateId === undefined) return budget;
    const { figures, nowMs } = this.#parts;
    try {
      const { spent, reserved, startsAtMs, resetsAtMs } = await figures(config, stateId, nowMs());
      budget.spentNanoUsd = spent;
      budget.reservedNanoUsd = reserved;
      if (Number.isFinite(startsAtMs)) budget.periodStartTime = timestampFromMs(startsAtMs);
      if (Number.isFinite(resetsAtMs)) budget.resetTime = timestampFromMs(resetsAtMs);
      return budget;
    } catch (error) {
      throw stateUnreachable(error);
    }
  }

  // ── Record ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #notFound(caller: Caller, budgetId: string): CallFailure {
    const resource = `budget/${budgetId}`;
    this.#parts.audit.denied({ kind: "resource.denied", caller, resource, reason: "RESOURCE_NOT_FOUND" });
    return resourceNotFound("budget", budgetId);
  }

  #audit(kind: AuditKind, caller: Caller, budgetId: string, fields?: readonly string[]): Promise<void> {
    return this.#parts.audit.act({ kind, caller, resource: `budget/${budgetId}`, reason: "", fields });
  }
}

function toShown({ record, revision, config }: StoredBudget): Shown {
  const budget = clone(BudgetSchema, record.budget);
  budget.etag = toEtag(revision);
  return { budget, config, stateId: config.scope };
}

/** Throws `CallFailure`. */
function assertFit(budget: Budget, isModel: BudgetAdministrationParts["isModel"]): void {
  const percents: readonly FieldViolation[] = budget.notifyPercents.flatMap((percent, index) =>
    percent >= 1 && percent <= percentMax
      ? []
      : [{ field: `budget.notify_percents[${index}]`, description: `must be from 1 to ${percentMax}` }],
  );
  const violations = [...checkFallback(budget, isModel), ...percents];
  if (violations.length > 0) throw invalid(...violations);
}

function checkFallback(
  { action, fallbackModel }: Budget,
  isModel: BudgetAdministrationParts["isModel"],
): readonly FieldViolation[] {
  const field = "budget.fallback_model";
  if (action !== adminBudgets.BudgetAction.DOWNGRADE) {
    return fallbackModel === "" ? [] : [{ field, description: "goes with the action DOWNGRADE" }];
  }
  if (fallbackModel === "") return [{ field, description: "is required by the action DOWNGRADE" }];
  return isModel(fallbackModel) ? [] : [{ field, description: "there is no such model" }];
}
