// "How much?": takes from every limit and budget that binds a call, all or none. Decided at once and in this process as
// long as the leases suffice; only then is the shared state asked. Nothing is held for a call that was refused.
import { hash } from "node:crypto";
import type { BudgetConfig, LimitConfig } from "../config/config.ts";
import type { BudgetFallback } from "../domain/budget-fallback.ts";
import type { LeaseStore } from "../domain/lease-store.ts";
import type { Crowded, Presence } from "../domain/presence.ts";
import type { Caller } from "../domain/principal.ts";
import type { Admission, AdmissionRequest, FindFallback, Reservation } from "../pipeline/ports.ts";
import { type BudgetAlert, createAlertWatch } from "./budgets/budget-alerts.ts";
import { periodAt } from "./budgets/period.ts";
import {
  type AdmissionState,
  admitThrough,
  type BudgetGate,
  type Gates,
  joinGates,
  refusalThrough,
  type SharedLimit,
  statesOf,
} from "./gates.ts";
import { createBucketGate, type LimitGate } from "./limits/limit-gate.ts";
import { type LimitRule, toLimitRules } from "./limits/limit-rules.ts";
import { createSlotGate, type SlotGate } from "./limits/slot-gate.ts";
import { createSlotQuota, type SlotStore } from "./limits/slot-quota.ts";
import { createQuota, isShortPeriod, type Quota } from "./quota.ts";
import { QuotaRefresh } from "./quota-refresh.ts";
import { type Bound, createScopeIndex } from "./scopes.ts";
import { createStates } from "./states.ts";

export type AdmissionOptions = {
  readonly limits: readonly LimitConfig[];
  readonly budgets: readonly BudgetConfig[];
  /** `shared`: other instances use the same store, so limits are leased from it as budgets are. */
  readonly store: LeaseStore;
  readonly shared: boolean;
  /** The other instances, for limits of which each keeps a share. Default: there are none. */
  readonly presence?: Presence | undefined;
  /** Where calls in flight are counted with those of other processes of this machine. Default: here alone. */
  readonly slots?: SlotStore | undefined;
  /** Default: none. */
  readonly bindings?: KeyBindings | undefined;
  /** Hears each threshold of a budget once a period; must not throw. */
  readonly onAlert?: ((alert: BudgetAlert) => void) | undefined;
};

export interface AdmissionControl extends Admission {
  /** Budgets and limits that bind the calls of a caller, as far as known here: the budgets first. */
  state(
    caller: Caller,
    request: Pick<AdmissionRequest, "model" | "endUserId">,
    nowMs: number,
  ): readonly AdmissionState[];
  /** How a budget stands for one state (`Bound.stateId`). Rejects when the store cannot be reached. */
  figures(budget: BudgetConfig, stateId: string, nowMs: number): Promise<BudgetFigures>;
  /** Tells the store what was spent; to be called every few seconds. Never rejects. */
  report(nowMs: number): Promise<void>;
  /** Calls in flight by limit on concurrency, for the presence: name of the gate, calls here, slots over all instances. */
  slots(): Iterable<Crowded & { readonly total: number }>;
  /** Gives unused leases back: the clean end. Never rejects; the store is the owner's to close. */
  close(): Promise<void>;
}

/** Of budgets that only alert. */
const unlimited = 1n << 62n;

type NamedSlots = { readonly name: string; readonly gate: SlotGate };

const alone: Presence = { share: (total) => total, lastShare: (total) => total, instances: 1 };

/** What is left of the slots when the other instances have not been heard of for too long. */
const shareAlone = {
  closed: () => undefined,
  open: () => Number.POSITIVE_INFINITY,
  local_share: (presence: Presence, total: number, name: string) => presence.lastShare(total, name),
} as const satisfies Record<
  LimitConfig["onStateFailure"],
  (presence: Presence, total: number, name: string) => number | undefined
>;

const nothingToSettle: Reservation = { reservedNanoUsd: 0n, cancel() {}, settle() {} };

/** One limit of a key that was made while the gateway runs. */
export type KeyLimit = {
  readonly rule: LimitRule;
  /** Model that it counts; "": all together. */
  readonly model: string;
  /** Each end user is counted apart. */
  readonly perEndUser: boolean;
};

/** What binds a key beside the scopes of the config, and may change at any time. Asked with every call. */
export type KeyBindings = {
  limitsOf(keyId: string): readonly KeyLimit[];
  /** Their scopes name their accounts: budgets with the same scope share what is spent. */
  budgetsOf(keyId: string): readonly BudgetConfig[];
  /** Whether any of these budgets names a fallback model. */
  readonly hasFallbacks: boolean;
};

export type BudgetFigures = {
  /** By all instances, as far as they have told. */
  readonly spent: bigint;
  /** By this instance. */
  readonly reserved: bigint;
  /** Unix milliseconds; -Infinity and Infinity for a total. */
  readonly startsAtMs: number;
  readonly resetsAtMs: number;
};

/** Throws when a scope cannot be read, or when two entries set the same limit or share a budget id. */
export function createAdmission(options: AdmissionOptions): AdmissionControl {
  assertEachOnce(options);
  const presence = options.presence ?? alone;
  const limitIndex = createScopeIndex(options.limits);
  const budgetIndex = createScopeIndex(options.budgets);
  const hasEndUsers = limitIndex.hasEndUsers || budgetIndex.hasEndUsers;
  const { bindings } = options;
  const isFree = options.limits.length === 0 && options.budgets.length === 0 && bindings === undefined;
  const gatesByCaller = new WeakMap<Caller, Gates>();
  const limitStates = createStates<LimitGate>();
  const slotStates = createStates<NamedSlots>();
  const quotas = createStates<Quota>();
  const refresh = new QuotaRefresh();
  const budgetByQuota = new WeakMap<Quota, BudgetConfig>();

  function gatesOf(caller: Caller, endUserId: string, nowMs: number): Gates {
    if (hasEndUsers && endUserId !== "") return findGates(caller, endUserId, nowMs);
    const known = gatesByCaller.get(caller);
    if (known !== undefined) return known;
    const gates = findGates(caller, "", nowMs);
    gatesByCaller.set(caller, gates);
    return gates;
  }

  function findGates(caller: Caller, endUserId: string, nowMs: number): Gates {
    const bound = limitIndex.find(caller, endUserId);
    const rules = bound.flatMap((one) => toLimitRules(one.item).map((rule) => ({ bound: one, rule })));
    return {
      limits: rules.filter(({ rule }) => isLocal(rule)).map(({ bound: one, rule }) => localLimit(one, rule, nowMs)),
      sharedLimits: rules
        .filter(({ rule }) => !isLocal(rule))
        .map(({ bound: one, rule }) => sharedLimit(one, rule, nowMs)),
      budgets: budgetIndex.find(caller, endUserId).map(budgetGate),
    };
  }

  /**
   * Calls in flight cannot be leased from the store: whose slots a crashed instance held would never be known. Processes of
   * one machine know it of each other.
   */
  function isLocal(rule: LimitRule): boolean {
    return !options.shared || (rule.meter === "concurrency" && options.slots === undefined);
  }

  function sharedQuota(rule: LimitRule, key: string, limit: bigint): Quota {
    const { slots, store } = options;
    return rule.meter === "concurrency" && slots !== undefined
      ? createSlotQuota({ key, limit: Number(limit), store: slots })
      : createQuota({ key, limit, period: rule.period, store });
  }

  function localLimit({ item, subject, stateId }: Bound<LimitConfig>, rule: LimitRule, nowMs: number): LimitGate {
    const key = `${item.scope} ${stateId} ${rule.name}`;
    const isPassing = isOfEndUser(subject);
    if (rule.meter === "concurrency") return slotGate(key, isPassing, rule, subject, item.onStateFailure);
    return limitStates.get(key, isPassing, () => createBucketGate(rule, subject, nowMs));
  }

  function slotGate(
    key: string,
    isPassing: boolean,
    rule: LimitRule,
    subject: string,
    onStateFailure: LimitConfig["onStateFailure"],
  ): LimitGate {
    const { gate } = slotStates.get(key, isPassing, () => {
      const name = toGateName(key);
      const shareOf = (total: number) =>
        presence.share(total, name) ?? shareAlone[onStateFailure](presence, total, name);
      return { name, gate: createSlotGate(rule, subject, shareOf) };
    });
    gate.resize(rule);
    return gate;
  }

  function sharedLimit({ item, subject, stateId }: Bound<LimitConfig>, rule: LimitRule, nowMs: number): SharedLimit {
    const key = toAccountKey("limit", rule.name, item.scope, stateId);
    const limit = BigInt(Math.floor(rule.limit));
    const isPassing = isOfEndUser(subject);
    const quota = quotas.get(key, isPassing, () => sharedQuota(rule, key, limit));
    const localShare = () => bucketAlone(key, isPassing, rule, subject, nowMs);
    return { subject, rule, quota, onStateFailure: item.onStateFailure, localShare };
  }

  /** What an instance allows itself while the store is away: of as many as were there when it was seen last. */
  function bucketAlone(key: string, isPassing: boolean, rule: LimitRule, subject: string, nowMs: number): LimitGate {
    const { instances } = presence;
    const part = { ...rule, limit: Math.max(1, Math.floor(rule.limit / instances)) };
    return limitStates.get(`${key} of ${instances}`, isPassing, () => createBucketGate(part, subject, nowMs));
  }

  function budgetGate({ item, subject, stateId }: Bound<BudgetConfig>): BudgetGate {
    const key = toAccountKey("budget", item.id, item.scope, stateId);
    const limit = item.hardNanoUsd ?? unlimited;
    const { period } = item;
    const onSpent = () =>
      options.onAlert === undefined ? undefined : createAlertWatch(item, subject, options.onAlert);
    const quota = quotas.get(key, isOfEndUser(subject), () => {
      const made = createQuota({ key, limit, period, store: options.store, onSpent: onSpent() });
      budgetByQuota.set(made, item);
      return made;
    });
    if (budgetByQuota.get(quota) !== item) {
      budgetByQuota.set(quota, item);
      quota.change(limit, onSpent());
    }
    return { subject, budget: item, quota };
  }

  /** What binds the key of a call beside the config; `undefined`: nothing. */
  function boundGates(
    { caller, endUserId }: Pick<AdmissionRequest, "caller" | "endUserId">,
    nowMs: number,
    isAsked: (limit: KeyLimit) => boolean,
  ): Gates | undefined {
    if (bindings === undefined || caller.keyId === "") return undefined;
    const all = bindings.limitsOf(caller.keyId);
    const budgets = bindings.budgetsOf(caller.keyId);
    if (all.length + budgets.length === 0) return undefined;
    const limits = all.filter(isAsked);
    return {
      limits: limits
        .filter(({ rule }) => isLocal(rule))
        .map((limit) => localKeyLimit(caller.keyId, limit, endUserId, nowMs)),
      sharedLimits: limits
        .filter((limit) => !isLocal(limit.rule))
        .map((limit) => sharedKeyLimit(caller.keyId, limit, endUserId, nowMs)),
      budgets: budgets.map(boundBudgetGate),
    };
  }

  function boundBudgetGate(item: BudgetConfig): BudgetGate {
    return budgetGate({ item, subject: `budget/${item.id}`, stateId: item.scope });
  }

  /** A rate that was changed is another gate, full at its beginning; the old one is forgotten when it is idle. */
  function localKeyLimit(keyId: string, limit: KeyLimit, endUserId: string, nowMs: number): LimitGate {
    const { rule } = limit;
    const key = `${toKeyLimitId(keyId, limit, endUserId)} ${rule.name}`;
    if (rule.meter === "concurrency") return slotGate(key, true, rule, `key/${keyId}`, "closed");
    return limitStates.get(`${key} ${rule.limit}`, true, () => createBucketGate(rule, `key/${keyId}`, nowMs));
  }

  function sharedKeyLimit(keyId: string, limit: KeyLimit, endUserId: string, nowMs: number): SharedLimit {
    const { rule, perEndUser } = limit;
    const units = BigInt(Math.floor(rule.limit));
    const key = toAccountKey("limit", rule.name, "stored", toKeyLimitId(keyId, limit, endUserId));
    const quota = quotas.get(key, perEndUser, () => sharedQuota(rule, key, units));
    quota.change(units, undefined);
    const localShare = () => localKeyLimit(keyId, limit, endUserId, nowMs);
    return { subject: `key/${keyId}`, rule, quota, onStateFailure: "closed", localShare };
  }

  /** All that bind a call; `isAsked`: which limits of its key, by default those of its model and of all together. */
  function bindingGates(
    call: Pick<AdmissionRequest, "caller" | "endUserId" | "model">,
    nowMs: number,
    isAsked = ({ model }: KeyLimit): boolean => model === "" || model === call.model,
  ): Gates {
    const configured = gatesOf(call.caller, call.endUserId, nowMs);
    const bound = boundGates(call, nowMs, isAsked);
    return bound === undefined ? configured : joinGates(configured, bound);
  }

  const hasFallbacks = options.budgets.some(({ fallbackModel }) => fallbackModel !== undefined);
  const fallback: FindFallback = (caller, { model, endUserId }, nowMs) => {
    const bound = caller.keyId === "" ? [] : (bindings?.budgetsOf(caller.keyId) ?? []);
    const found =
      findFallback(gatesOf(caller, endUserId, nowMs).budgets, nowMs) ?? findFallback(bound.map(boundBudgetGate), nowMs);
    return found?.model === model ? undefined : found;
  };

  return {
    get fallback() {
      return hasFallbacks || bindings?.hasFallbacks === true ? fallback : undefined;
    },
    admit(request, nowMs) {
      if (isFree) return nothingToSettle;
      const gates = bindingGates(request, nowMs);
      const isUnbound = gates.limits.length + gates.sharedLimits.length + gates.budgets.length === 0;
      if (isUnbound) return nothingToSettle;
      return admitThrough(gates, request, nowMs);
    },
    refusal(caller, nowMs) {
      if (isFree) return undefined;
      const ofAnyCall = ({ model, perEndUser }: KeyLimit): boolean => model === "" && !perEndUser;
      return refusalThrough(bindingGates({ caller, endUserId: "", model: "" }, nowMs, ofAnyCall), nowMs);
    },
    state(caller, { model, endUserId }, nowMs) {
      return statesOf(bindingGates({ caller, endUserId, model }, nowMs), nowMs);
    },
    async figures(budget, stateId, nowMs) {
      const period = periodAt(budget.period, nowMs);
      const key = toAccountKey("budget", budget.id, budget.scope, stateId);
      const told = await options.store.used(`${key}.${period.id}`, isShortPeriod(budget.period));
      const here = quotas.find(key)?.state(nowMs);
      const spent = here === undefined || here.spent < told ? told : here.spent;
      return { spent, reserved: here?.reserved ?? 0n, startsAtMs: period.startMs, resetsAtMs: period.endMs };
    },
    async report(nowMs) {
      await Promise.allSettled([...quotas.values()].map((quota) => quota.report(false)));
      // Where a call goes is decided by what all have spent, also at an instance that has had no call for a while.
      const deciding = [...quotas.values()].filter((quota) => budgetByQuota.get(quota)?.fallbackModel !== undefined);
      if (options.shared) await refresh.run(deciding, nowMs);
      await quotas.sweep((quota) => quota.retire());
      await limitStates.sweep((gate) => gate.isIdleAt(nowMs));
      await slotStates.sweep(({ gate }) => gate.isIdleAt(nowMs));
    },
    *slots() {
      for (const { name, gate } of slotStates.values()) {
        if (gate.inUse > 0) yield { gate: name, inUse: gate.inUse, total: gate.rule.limit };
      }
    },
    async close() {
      await Promise.allSettled([...quotas.values()].map((quota) => quota.report(true)));
    },
  };
}

function findFallback(gates: readonly BudgetGate[], nowMs: number): BudgetFallback | undefined {
  for (const { budget, quota } of gates) {
    const { id, fallbackModel, softNanoUsd } = budget;
    if (fallbackModel === undefined || softNanoUsd === undefined) continue;
    if (quota.state(nowMs).spent >= softNanoUsd) return { budgetId: id, model: fallbackModel };
  }
  return undefined;
}

/** Two entries for the same units would share one account, and the limit of the second would be forgotten. */
function assertEachOnce({ limits, budgets }: AdmissionOptions): void {
  const names = [
    ...limits.flatMap((limit) => toLimitRules(limit).map((rule) => `${rule.name} of ${limit.scope}`)),
    ...budgets.map((budget) => `budget ${budget.id}`),
  ];
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) throw new Error(`${name} is set twice`);
    seen.add(name);
  }
}

/** Parts with a letter before them and no "/" inside: none is an empty token, whatever was named. */
function toKeyLimitId(keyId: string, { model, perEndUser }: KeyLimit, endUserId: string): string {
  const parts = [`k${keyId}`, `m${model}`, perEndUser ? `u${endUserId}` : "all"];
  return parts.map((part) => part.replaceAll("/", "|")).join("/");
}

function isOfEndUser(subject: string): boolean {
  return subject.startsWith("end_user/");
}

/** What "project/*" and "project/search" count for one project are two accounts. */
function toAccountKey(kind: string, name: string, scope: string, stateId: string): string {
  const breadth = scope.endsWith("/*") ? "each" : "one";
  return [kind, name, breadth, ...stateId.split("/")].map(toKeyToken).join(".");
}

/** Told to the other instances: short, and without the names of end users. */
function toGateName(key: string): string {
  return hash("sha256", key, "hex").slice(0, 16);
}

/** Ids may hold any character; keys of the store may not. */

function toKeyToken(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9_-]/g, (character) => `=${character.charCodeAt(0).toString(16)}=`);
}
