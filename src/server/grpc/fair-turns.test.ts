import { describe, expect, it } from "vitest";
import { FairTurns } from "./fair-turns.ts";

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
});
