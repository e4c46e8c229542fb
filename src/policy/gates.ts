// The gates that bind one call, and the way through them: all or none, at once as long as the leases suffice.
import type { BudgetConfig, LimitConfig } from "../config/config.ts";
import type { CallFailure } from "../domain/call-failure.ts";
import type { AdmissionRequest, Reservation } from "../pipeline/ports.ts";
import { budgetDenial, limitDenial, sharedLimitDenial, slotDenial } from "./denials.ts";
import { amountOf, type LimitGate } from "./limits/limit-gate.ts";
import type { LimitRule } from "./limits/limit-rules.ts";
import type { Quota } from "./quota.ts";
import { type Claimed, giveBack, type Held, toReservation } from "./reservation.ts";

export type BudgetGate = { readonly subject: string; readonly budget: BudgetConfig; readonly quota: Quota };
export type SharedLimit = {
  readonly subject: string;
  readonly rule: LimitRule;
  readonly quota: Quota;
  readonly onStateFailure: LimitConfig["onStateFailure"];
  /** What this instance allows itself while the store cannot be reached. */
  readonly localShare: () => LimitGate;
};

export type Gates = {
  readonly limits: readonly LimitGate[];
  readonly sharedLimits: readonly SharedLimit[];
  readonly budgets: readonly BudgetGate[];
};

export type AdmissionState = {
  readonly subject: string;
  /** Id of the budget, or the name of the limit. */
  readonly name: string;
  readonly spent: bigint;
  readonly reserved: bigint;
  readonly limit: bigint | undefined;
  /** Unix milliseconds; Infinity: never. */
  readonly resetsAtMs: number;
};

export function joinGates(first: Gates, second: Gates): Gates {
  return {
    limits: [...first.limits, ...second.limits],
    sharedLimits: [...first.sharedLimits, ...second.sharedLimits],
    budgets: [...first.budgets, ...second.budgets],
  };
}

export function admitThrough(
  gates: Gates,
  request: AdmissionRequest,
  nowMs: number,
): Reservation | Promise<Reservation> {
  const tokens = { inputTokens: request.inputTokens, outputTokens: request.maxOutputTokens };
  // A call whose price is not known still asks whether anything is left; one that no budget binds is not priced.
  const cost = gates.budgets.length === 0 ? 0n : (request.worstCostNanoUsd() ?? 1n);
  const claimed = enterLimits(gates.limits, tokens, nowMs);
  if (gates.sharedLimits.length === 0 && gates.budgets.length === 0)
    return toReservation(claimed, [], gates.budgets, 0n);

  const held: Held[] = [];
  for (const { rule, quota } of gates.sharedLimits) {
    const amount = toShareClaim(rule, tokens);
    const hold = quota.tryReserve(amount, nowMs);
    if (hold === undefined) return admitSlowly(gates, claimed, held, tokens, cost, nowMs);
    held.push({ hold, rule, amount });
  }
  for (const { quota } of gates.budgets) {
    const hold = quota.tryReserve(cost, nowMs);
    if (hold === undefined) return admitSlowly(gates, claimed, held, tokens, cost, nowMs);
    held.push({ hold, rule: undefined, amount: cost });
  }
  return toReservation(claimed, held, gates.budgets, cost);
}

type Tokens = { readonly inputTokens: number; readonly outputTokens: number };

/** Takes from all or throws the denial with the longest wait: until then another try cannot succeed. */
function enterLimits(gates: readonly LimitGate[], tokens: Tokens, nowMs: number): readonly Claimed[] {
  const denial = longestDenial(gates, ({ rule }) => amountOf(rule.meter, tokens), nowMs);
  if (denial !== undefined) throw denial;
  return gates.map((gate) => ({ gate, claimed: gate.enter(amountOf(gate.rule.meter, tokens)) }));
}

/** Of the gate that is shut for longest; `undefined`: so much passes each of them. */
function longestDenial(
  gates: readonly LimitGate[],
  amountAt: (gate: LimitGate) => number,
  nowMs: number,
): CallFailure | undefined {
  let longestWaitMs = 0;
  let shortest: LimitGate | undefined;
  for (const gate of gates) {
    const waitMs = gate.waitMs(amountAt(gate), nowMs);
    if (waitMs > longestWaitMs) {
      longestWaitMs = waitMs;
      shortest = gate;
    }
  }
  return shortest && limitDenial(shortest, longestWaitMs);
}

/** In so many milliseconds most messages come. */
const messageMsMax = 1_000;

/**
 * The denial of a limit that is used up, so that no call passes for a while. Not of one that may let the call pass when its
 * message has come: a slot comes free at any time, and a bucket that lacks one unit has it soon.
 */
export function refusalThrough({ limits, sharedLimits }: Gates, nowMs: number): CallFailure | undefined {
  const rates = limits.filter(({ rule }) => rule.meter !== "concurrency");
  const denial = longestDenial(rates, () => 1, nowMs);
  if ((denial?.facts.retryAfterMs ?? 0) >= messageMsMax) return denial;
  for (const { subject, rule, quota, onStateFailure } of sharedLimits) {
    const { spent, resetsAtMs } = quota.state(nowMs);
    const mayPass = rule.meter === "concurrency" || onStateFailure !== "closed" || resetsAtMs - nowMs < messageMsMax;
    if (mayPass || spent < Math.floor(rule.limit)) continue;
    return sharedLimitDenial(subject, rule, { because: "exhausted", resetsAtMs }, nowMs);
  }
  return undefined;
}

/** A claim larger than the whole limit passes at the beginning of a window: otherwise it could never pass. */
function toShareClaim(rule: LimitRule, tokens: Tokens): bigint {
  return BigInt(Math.min(Math.floor(rule.limit), Math.ceil(amountOf(rule.meter, tokens))));
}

/** Continues after `held` in the order of the gates; gives everything back when one refuses. */
async function admitSlowly(
  gates: Gates,
  claimed: readonly Claimed[],
  held: Held[],
  tokens: Tokens,
  cost: bigint,
  nowMs: number,
): Promise<Reservation> {
  const local: Claimed[] = [...claimed];
  try {
    for (const shared of gates.sharedLimits.slice(held.length)) {
      await holdSharedLimit(shared, tokens, held, local, nowMs);
    }
    const budgetsHeld = held.filter(({ rule }) => rule === undefined).length;
    for (const { subject, budget, quota } of gates.budgets.slice(budgetsHeld)) {
      const outcome = await quota.reserve(cost, nowMs);
      if ("because" in outcome) throw budgetDenial(subject, budget.id, outcome);
      held.push({ hold: outcome, rule: undefined, amount: cost });
    }
  } catch (error) {
    giveBack(local, held, nowMs);
    throw error;
  }
  return toReservation(local, held, gates.budgets, cost);
}

async function holdSharedLimit(
  shared: SharedLimit,
  tokens: Tokens,
  held: Held[],
  local: Claimed[],
  nowMs: number,
): Promise<void> {
  const { subject, rule, quota, onStateFailure, localShare } = shared;
  const amount = toShareClaim(rule, tokens);
  const outcome = await quota.reserve(amount, nowMs);
  if (!("because" in outcome)) {
    held.push({ hold: outcome, rule, amount });
    return;
  }
  if (outcome.because === "exhausted" && rule.meter === "concurrency") throw slotDenial(subject, rule);
  if (outcome.because === "exhausted" || onStateFailure === "closed") {
    throw sharedLimitDenial(subject, rule, outcome, nowMs);
  }
  if (onStateFailure === "local_share") local.push(...enterLimits([localShare()], tokens, nowMs));
}

export function statesOf({ budgets, limits, sharedLimits }: Gates, nowMs: number): readonly AdmissionState[] {
  return [
    ...budgets.map(({ subject, budget, quota }) => ({
      subject,
      name: budget.id,
      limit: budget.hardNanoUsd ?? budget.softNanoUsd,
      ...quota.state(nowMs),
    })),
    ...limits.map((gate) => {
      const { spent, reserved, resetsAtMs } = gate.state(nowMs);
      const { subject, rule } = gate;
      return {
        subject,
        name: rule.name,
        limit: BigInt(Math.floor(rule.limit)),
        spent: BigInt(spent),
        reserved: BigInt(reserved),
        resetsAtMs,
      };
    }),
    ...sharedLimits.map(({ subject, rule, quota }) => ({
      subject,
      name: rule.name,
      limit: BigInt(Math.floor(rule.limit)),
      ...quota.state(nowMs),
    })),
  ];
}
