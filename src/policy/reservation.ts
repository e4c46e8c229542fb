// What one call holds of the limits and budgets that bind it, until it is over. A call that would cost more than it has
// reserved asks for more before it does: in every budget, or in none.
import type { CallFailure } from "../domain/call-failure.ts";
import type { Reservation } from "../pipeline/ports.ts";
import { budgetDenial } from "./denials.ts";
import type { BudgetGate } from "./gates.ts";
import { amountOf, type LimitGate } from "./limits/limit-gate.ts";
import type { LimitRule } from "./limits/limit-rules.ts";
import type { Hold } from "./quota.ts";

export type Claimed = { readonly gate: LimitGate; readonly claimed: number };
/** `rule`: of a shared limit; `undefined`: of a budget. */
export type Held = { readonly hold: Hold; readonly rule: LimitRule | undefined; readonly amount: bigint };

/** `held` has one hold for each of `budgets`, in their order, behind those of limits. */
export function toReservation(
  claimed: readonly Claimed[],
  held: readonly Held[],
  budgets: readonly BudgetGate[],
  reservedNanoUsd: bigint,
): Reservation {
  if (budgets.length > 0) return new BudgetReservation(claimed, held, budgets, reservedNanoUsd);
  return {
    reservedNanoUsd,
    cancel(nowMs) {
      giveBack(claimed, held, nowMs);
    },
    settle(actual, nowMs) {
      settleLimits(claimed, held, actual, nowMs);
    },
  };
}

class BudgetReservation implements Reservation {
  readonly reservedNanoUsd: bigint;
  readonly #claimed: readonly Claimed[];
  readonly #held: readonly Held[];
  readonly #budgets: readonly BudgetGate[];
  /** Holds on top of the first, each over all budgets, in the order in which they came. */
  #extensions: { readonly amount: bigint; readonly holds: readonly Hold[] }[] = [];
  #totalNanoUsd: bigint;
  #isSettled = false;

  constructor(claimed: readonly Claimed[], held: readonly Held[], budgets: readonly BudgetGate[], nanoUsd: bigint) {
    this.#claimed = claimed;
    this.#held = held;
    this.#budgets = budgets;
    this.reservedNanoUsd = nanoUsd;
    this.#totalNanoUsd = nanoUsd;
  }

  async extend(totalNanoUsd: bigint, nowMs: number): Promise<CallFailure | undefined> {
    const amount = totalNanoUsd - this.#totalNanoUsd;
    if (amount <= 0n) return undefined;
    const holds: Hold[] = [];
    for (const { subject, budget, quota } of this.#budgets) {
      const outcome = quota.tryReserve(amount, nowMs) ?? (await quota.reserve(amount, nowMs));
      if ("because" in outcome) {
        for (const hold of holds) hold.settle(0n);
        return budgetDenial(subject, budget.id, outcome);
      }
      holds.push(outcome);
    }
    if (this.#isSettled) {
      for (const hold of holds) hold.settle(0n); // The call ended while the store was asked.
    } else {
      this.#extensions.push({ amount, holds });
      this.#totalNanoUsd += amount;
    }
    return undefined;
  }

  cancel(nowMs: number): void {
    this.#isSettled = true;
    giveBack(this.#claimed, this.#held, nowMs);
    for (const { holds } of this.#extensions) for (const hold of holds) hold.settle(0n);
  }

  settle(actual: Parameters<Reservation["settle"]>[0], nowMs: number): void {
    this.#isSettled = true;
    settleLimits(this.#claimed, this.#held, actual, nowMs);
    const firstHeld = this.#held.length - this.#budgets.length;
    for (let index = 0; index < this.#budgets.length; index++) {
      let rest = actual.costNanoUsd;
      let held = this.#held[firstHeld + index];
      // Holds are filled in the order in which they came, and the last takes whatever is left.
      for (const { amount, holds } of this.#extensions) {
        const part = held === undefined || rest < held.amount ? rest : held.amount;
        held?.hold.settle(part);
        rest -= part;
        const hold = holds[index];
        held = hold === undefined ? undefined : { hold, rule: undefined, amount };
      }
      held?.hold.settle(rest);
    }
  }
}

/** All that was claimed and held, as if nobody had asked. */
export function giveBack(claimed: readonly Claimed[], held: readonly Held[], nowMs: number): void {
  for (const { hold } of held) hold.settle(0n);
  for (const { gate, claimed: amount } of claimed) gate.settle(amount, 0, nowMs);
}

function settleLimits(
  claimed: readonly Claimed[],
  held: readonly Held[],
  actual: Parameters<Reservation["settle"]>[0],
  nowMs: number,
): void {
  for (const { gate, claimed: amount } of claimed) gate.settle(amount, amountOf(gate.rule.meter, actual), nowMs);
  for (const { hold, rule } of held) {
    if (rule !== undefined) hold.settle(BigInt(Math.ceil(amountOf(rule.meter, actual))));
  }
}
