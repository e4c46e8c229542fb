import { describe, expect, it } from "vitest";
import { FairTurns, type Loop } from "./fair-turns.ts";

/** A call that takes so many milliseconds to begin. */
function call(begun: string[], name: string, tookMs = 0): { startNow(): void } {
  return {
    startNow() {
      const endMs = performance.now() + tookMs;
      while (performance.now() < endMs);
      begun.push(name);
    },
  };
}

async function allBegun(turns: FairTurns): Promise<void> {
  while (turns.waiting > 0) await new Promise((resolve) => setImmediate(resolve));
}

/** An event loop on which nothing but turns takes time: it tells how long they took and how long they rested. */
class QuietLoop implements Loop {
  #nowMs = 1_000;
  readonly rests: number[] = [];
  readonly #waiting: (() => void)[] = [];

  nowMs = () => this.#nowMs;
  next = (run: () => void) => void this.#waiting.push(run);
  after = (ms: number, run: () => void) => {
    this.rests.push(ms);
    this.#waiting.push(() => {
      this.#nowMs += ms;
      run();
    });
  };

  take(ms: number): { startNow(): void } {
    return {
      startNow: () => {
        this.#nowMs += ms;
      },
    };
  }

  run(): void {
    for (let run = this.#waiting.shift(); run !== undefined; run = this.#waiting.shift()) run();
  }
}

type Stand = { readonly loop: QuietLoop; readonly turns: FairTurns };

/** It is alone, and has begun calls that took 80 ms. */
function oneTenantForAWhile(): Stand {
  const loop = new QuietLoop();
  const turns = new FairTurns(loop);
  turns.enter("noisy");
  for (let index = 0; index < 10; index += 1) turns.run("noisy", loop.take(8));
  loop.run();
  return { loop, turns };
}

/** Calls of both are under way. */
function twoTenants(): Stand {
  const loop = new QuietLoop();
  const turns = new FairTurns(loop);
  turns.enter("noisy");
  turns.enter("quiet");
  return { loop, turns };
}

describe("turns at the event loop", () => {
  it("begin a call at once when nothing else is going on", () => {
    const begun: string[] = [];
    new FairTurns().run("a", call(begun, "a"));
    expect(begun).toEqual(["a"]);
  });

  it("let a tenant's calls wait behind each other and not before those of others", async () => {
    const turns = new FairTurns();
    const begun: string[] = [];
    for (let index = 0; index < 50; index += 1) turns.run("noisy", call(begun, "noisy", 3));
    turns.run("quiet", call(begun, "quiet"));
    expect(begun).toEqual(["noisy"]);
    await allBegun(turns);
    expect(begun).toHaveLength(51);
    expect(begun.indexOf("quiet")).toBeLessThanOrEqual(2);
  });

  it("begin the calls of a tenant in the order of their arrival, also when many wait", async () => {
    const turns = new FairTurns();
    const begun: string[] = [];
    turns.run("a", call(begun, "first", 3));
    for (let index = 0; index < 1_000; index += 1) turns.run("a", call(begun, String(index)));
    await allBegun(turns);
    expect(begun).toEqual(["first", ...Array.from({ length: 1_000 }, (_, index) => String(index))]);
  });

  it("leave the event loop to others between calls that take long", async () => {
    const turns = new FairTurns();
    const begun: string[] = [];
    for (let index = 0; index < 5; index += 1) turns.run(`tenant ${index}`, call(begun, "long", 3));
    const seen: number[] = [];
    while (turns.waiting > 0) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      seen.push(begun.length);
    }
    expect(seen.length).toBeGreaterThanOrEqual(3);
    expect(begun).toHaveLength(5);
  });

  it("rest for as long as they took while another tenant has calls under way", () => {
    const { loop, turns } = twoTenants();
    for (let index = 0; index < 10; index += 1) turns.run("noisy", loop.take(8));
    loop.run();
    expect(turns.waiting).toBe(0);
    expect(loop.rests).toEqual(Array.from({ length: 9 }, () => 8));
  });

  it("rest for small calls when they have taken a millisecond together", () => {
    const { loop, turns } = twoTenants();
    for (let index = 0; index < 64; index += 1) turns.run("noisy", loop.take(0.125));
    loop.run();
    expect(turns.waiting).toBe(0);
    expect(loop.rests).toEqual(Array.from({ length: 7 }, () => 1));
  });

  it("end early, and rest, for what will be done outside of them", () => {
    const { loop, turns } = twoTenants();
    for (let index = 0; index < 6; index += 1) turns.run("noisy", { startNow: () => turns.owe(0.5) });
    loop.run();
    expect(turns.waiting).toBe(0);
    expect(loop.rests).toEqual([1, 1]);
  });

  it("do not rest while a tenant is alone, or again when the others' calls are over", () => {
    const { loop, turns } = oneTenantForAWhile();
    turns.enter("quiet");
    turns.leave("quiet");
    for (let index = 0; index < 10; index += 1) turns.run("noisy", loop.take(8));
    loop.run();
    expect(turns.waiting).toBe(0);
    expect(loop.rests).toEqual([]);
  });

  it("pay back nothing of what a tenant took while it was alone", () => {
    const { loop, turns } = oneTenantForAWhile();
    turns.enter("quiet");
    for (let index = 0; index < 3; index += 1) turns.run("quiet", loop.take(8));
    loop.run();
    expect(turns.waiting).toBe(0);
    expect(Math.max(...loop.rests)).toBe(8);
  });

  it("rest for 20 ms at most, whatever a call took", () => {
    const { loop, turns } = twoTenants();
    for (let index = 0; index < 2; index += 1) turns.run("noisy", loop.take(500));
    loop.run();
    expect(turns.waiting).toBe(0);
    expect(loop.rests).toEqual([20]);
  });

  it("count a call that fails within another one's beginning once", () => {
    const { loop, turns } = twoTenants();
    turns.run("noisy", { startNow: () => turns.run("noisy", loop.take(0.125)) });
    for (let index = 0; index < 8; index += 1) turns.run("noisy", loop.take(0.125));
    loop.run();
    expect(loop.rests).toEqual([1]);
  });
});
