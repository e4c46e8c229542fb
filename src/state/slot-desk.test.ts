import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SlotDesk, type SlotHolder } from "./slot-desk.ts";

/** A process as the desk sees it, with what it has and what of it calls use. */
class Process implements SlotHolder {
  held = 0;
  inUse = 0;
  isAlive = true;

  async recall(): Promise<number> {
    if (!this.isAlive) throw new Error("it has ended");
    const idle = this.held - this.inUse;
    this.held -= idle;
    return idle;
  }
}

type Step =
  | { readonly do: "enter"; readonly who: number; readonly need: number }
  | { readonly do: "leave" | "return" | "die"; readonly who: number };

const steps = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ do: fc.constant("enter" as const), who: fc.nat(3), need: fc.integer({ min: 1, max: 4 }) }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constantFrom("leave" as const, "return" as const, "die" as const),
        who: fc.nat(3),
      }),
    },
  ),
  { maxLength: 60 },
);

/** What calls that want to begin do; how many of them have begun. */
async function enter(desk: SlotDesk, process: Process, limit: number, need: number): Promise<number> {
  if (process.held - process.inUse < need) {
    const count = await desk.take(process, "account", limit, need);
    if (process.isAlive) process.held += count;
  }
  const entered = Math.min(need, process.held - process.inUse);
  process.inUse += entered;
  return entered;
}

function leave(desk: SlotDesk, process: Process, how: "leave" | "return" | "die"): void {
  if (how === "leave") process.inUse = Math.max(0, process.inUse - 1);
  else if (how === "return") {
    const idle = process.held - process.inUse;
    process.held -= idle;
    desk.giveBack(process, "account", idle);
  } else {
    process.isAlive = false;
    desk.forget(process);
  }
}

async function run(limit: number, all: readonly Step[], isConcurrent: boolean): Promise<void> {
  const desk = new SlotDesk();
  const processes = Array.from({ length: 4 }, () => new Process());
  const inUse = () => processes.reduce((sum, one) => sum + (one.isAlive ? one.inUse : 0), 0);
  const pending: Promise<void>[] = [];
  for (const step of all) {
    const process = processes[step.who];
    if (process === undefined || !process.isAlive) continue;
    if (step.do === "enter") {
      const before = inUse();
      const entering = enter(desk, process, limit, step.need).then((entered) => {
        expect(inUse()).toBeLessThanOrEqual(limit);
        // Alone, a call is refused only when there is truly no slot left.
        if (!isConcurrent) expect(entered).toBe(Math.min(step.need, limit - before));
      });
      if (isConcurrent) pending.push(entering);
      else await entering;
    } else leave(desk, process, step.do);
  }
  await Promise.all(pending);
  for (const process of processes) if (process.isAlive) desk.forget(process);
  expect(desk.held).toBe(0);
}

describe("slots of calls in flight over several processes", () => {
  it("are all given to who needs them, and never more than the limit", async () => {
    await fc.assert(fc.asyncProperty(fc.integer({ min: 1, max: 12 }), steps, (limit, all) => run(limit, all, false)));
  });

  it("are never more than the limit, however the questions of processes cross", async () => {
    await fc.assert(fc.asyncProperty(fc.integer({ min: 1, max: 12 }), steps, (limit, all) => run(limit, all, true)));
  });

  it("do not wait for a process that is too busy to answer", async () => {
    const desk = new SlotDesk();
    const busy: SlotHolder = { recall: () => new Promise(() => {}) };
    expect(await desk.take(busy, "account", 4, 3)).toBe(3);
    expect(await desk.take(new Process(), "account", 4, 2)).toBe(1);
  });
});
