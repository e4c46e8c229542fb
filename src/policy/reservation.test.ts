// Reservations that grow while the call goes on, of two instances on one budget, under arbitrary interleavings: what is
// spent and reserved never passes the limit, and nothing stays reserved in the end.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ErrorReason } from "../contract.ts";
import type { CallFailure } from "../domain/call-failure.ts";
import type { LeaseStore } from "../domain/lease-store.ts";
import type { Caller } from "../domain/principal.ts";
import type { Reservation } from "../pipeline/ports.ts";
import { type AccountRecord, emptyAccount, exchangeLease, sumOf } from "../state/account-record.ts";
import { type AdmissionControl, createAdmission } from "./admission.ts";

const nowMs = Date.parse("2026-11-24T12:00:00Z");
const caller: Caller = {
  organisationId: "",
  teamId: "platform",
  projectId: "search",
  keyId: "k",
  service: "",
  roles: ["inference"],
  models: ["*"],
};
/** Two budgets: the second one binds too, and is the smaller. */
const limits = { team: 1_200n, project: 900n } as const;

/** Accounts that instances share; each exchange takes a moment. */
class Accounts {
  readonly #records = new Map<string, { record: AccountRecord; limit: bigint }>();
  #exchanges = 0;

  storeOf(holder: string): LeaseStore {
    return {
      exchange: async (exchange) => {
        await Promise.resolve();
        const { key, limit } = exchange.account;
        const before = this.#records.get(key)?.record ?? emptyAccount;
        const { record, grant } = exchangeLease(before, holder, `exchange-${this.#exchanges++}`, exchange);
        this.#records.set(key, { record, limit });
        expect(record.used + sumOf(record.leases)).toBeLessThanOrEqual(limit);
        return grant;
      },
      allow: () => {},
      drop: () => {},
      used: (key) => Promise.resolve(this.#records.get(key)?.record.used ?? 0n),
      close: () => Promise.resolve(),
    };
  }

  get used(): readonly bigint[] {
    return [...this.#records.values()].map(({ record }) => record.used);
  }
}

type Running = { readonly reservation: Reservation; reserved: bigint };

type Step =
  | { readonly kind: "begin"; readonly instance: number; readonly amount: number }
  | { readonly kind: "extend"; readonly call: number; readonly by: number }
  | { readonly kind: "end"; readonly call: number; readonly share: number; readonly whileAsking: boolean };

const steps = fc.array(
  fc.oneof<fc.Arbitrary<Step>[]>(
    fc.record({
      kind: fc.constant("begin" as const),
      instance: fc.nat({ max: 1 }),
      amount: fc.integer({ min: 1, max: 60 }),
    }),
    fc.record({ kind: fc.constant("extend" as const), call: fc.nat(), by: fc.integer({ min: 1, max: 120 }) }),
    fc.record({
      kind: fc.constant("end" as const),
      call: fc.nat(),
      share: fc.constantFrom(0, 0.3, 0.7, 1, 1),
      whileAsking: fc.boolean(),
    }),
  ),
  { maxLength: 120, size: "max" },
);

class World {
  readonly accounts = new Accounts();
  readonly instances: readonly AdmissionControl[];
  running: Running[] = [];
  spent = 0n;
  readonly reasons = new Set<ErrorReason>();

  constructor() {
    this.instances = ["a", "b"].map((holder) =>
      createAdmission({
        limits: [],
        budgets: [
          { id: "of-team", scope: "team/platform", period: "month", hardNanoUsd: limits.team, alertAt: [] },
          { id: "of-project", scope: "project/search", period: "day", hardNanoUsd: limits.project, alertAt: [] },
        ],
        store: this.accounts.storeOf(holder),
        shared: true,
      }),
    );
  }

  async run(step: Step): Promise<void> {
    if (step.kind === "begin") await this.#begin(step.instance, BigInt(step.amount));
    else {
      const call = this.running[step.call % Math.max(1, this.running.length)];
      if (call === undefined) return;
      if (step.kind === "extend") await this.#extend(call, call.reserved + BigInt(step.by));
      else await this.#end(call, step.share, step.whileAsking);
    }
    const reserved = this.running.reduce((sum, one) => sum + one.reserved, 0n);
    expect(this.spent + reserved).toBeLessThanOrEqual(limits.project);
  }

  /** Every call ends at all that it has reserved, and the instances end well. */
  async end(): Promise<void> {
    for (const call of this.running.splice(0)) {
      call.reservation.settle({ inputTokens: 0, outputTokens: 0, costNanoUsd: call.reserved }, nowMs);
      this.spent += call.reserved;
    }
    await Promise.all(this.instances.map((instance) => instance.close()));
  }

  async #begin(instance: number, amount: bigint): Promise<void> {
    try {
      const reservation = await this.instances[instance]?.admit(
        {
          caller,
          endUserId: "",
          model: "m",
          inputTokens: 1,
          maxOutputTokens: 1,
          worstCostNanoUsd: () => amount,
          deadlineMs: undefined,
          priority: 1,
        },
        nowMs,
      );
      if (reservation !== undefined) this.running.push({ reservation, reserved: amount });
    } catch (error) {
      this.reasons.add((error as CallFailure).reason);
    }
  }

  async #extend(call: Running, total: bigint): Promise<void> {
    const failure = await call.reservation.extend?.(total, nowMs);
    if (failure === undefined) call.reserved = total;
    else this.reasons.add(failure.reason);
  }

  /** The call may end before it hears whether it may go on. */
  async #end(call: Running, share: number, whileAsking: boolean): Promise<void> {
    const asked = whileAsking ? call.reservation.extend?.(call.reserved + 50n, nowMs) : undefined;
    const actual = BigInt(Math.round(Number(call.reserved) * share));
    call.reservation.settle({ inputTokens: 0, outputTokens: 0, costNanoUsd: actual }, nowMs);
    this.running = this.running.filter((one) => one !== call);
    this.spent += actual;
    await asked;
  }
}

describe("reservations that grow", () => {
  it("stay within every budget over all instances, and end at what was spent", async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (script) => {
        const world = new World();
        for (const step of script) await world.run(step);
        await world.end();
        const reserved = world.instances
          .flatMap((instance) => instance.state(caller, { model: "m", endUserId: "" }, nowMs))
          .map((one) => one.reserved);
        expect(new Set(reserved)).toEqual(new Set([0n]));
        expect(world.accounts.used.every((used) => used === world.spent)).toBe(true);
        expect([...world.reasons].every((reason) => reason === ErrorReason.BUDGET_EXHAUSTED)).toBe(true);
      }),
      { numRuns: 150 },
    );
  });

  it("take from all budgets or from none", async () => {
    const world = new World();
    await world.run({ kind: "begin", instance: 0, amount: 60 });
    await world.run({ kind: "extend", call: 0, by: 1_000 }); // The team has it, the project has not.
    expect(world.reasons).toEqual(new Set([ErrorReason.BUDGET_EXHAUSTED]));
    const [team, project] = world.instances[0]?.state(caller, { model: "m", endUserId: "" }, nowMs) ?? [];
    expect(team?.reserved).toBe(60n);
    expect(project?.reserved).toBe(60n);
  });
});
