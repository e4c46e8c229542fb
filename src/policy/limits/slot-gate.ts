// A limit on concurrency: a count of calls in flight, in this instance's share of the slots. The share changes while calls
// are in flight, as instances come and go: nothing new passes then until there are few enough.
import { type LimitGate, slotWaitMs } from "./limit-gate.ts";
import type { LimitRule } from "./limit-rules.ts";

export interface SlotGate extends LimitGate {
  readonly inUse: number;
  /** Another limit from now on; calls in flight go on. */
  resize(rule: LimitRule): void;
}

/** Slots that this instance may use, of so many over all; `undefined`: none, since the shared state is away. */
export type SlotShare = (total: number) => number | undefined;

export function createSlotGate(firstRule: LimitRule, subject: string, shareOf: SlotShare): SlotGate {
  let rule = firstRule;
  let inUse = 0;
  return {
    subject,
    get rule() {
      return rule;
    },
    get inUse() {
      return inUse;
    },
    get isCutOff() {
      return shareOf(rule.limit) === undefined;
    },
    waitMs: () => (inUse < (shareOf(rule.limit) ?? 0) ? 0 : slotWaitMs),
    enter() {
      inUse++;
      return 1;
    },
    settle() {
      inUse--;
    },
    state: () => ({ spent: 0, reserved: inUse, resetsAtMs: Number.POSITIVE_INFINITY }),
    isIdleAt: () => inUse === 0,
    resize(changed) {
      rule = changed;
    },
  };
}
