import { afterEach, describe, expect, it } from "vitest";
import { CallScope, Stopped } from "./call-scope.ts";
import { runInLanes } from "./run-in-lanes.ts";

let scope = new CallScope(undefined);

afterEach(() => {
  scope.close();
  scope = new CallScope(undefined);
});

/** Ends when it is told to; until then it waits as an exchange does. */
function waitIn(lane: CallScope): Promise<void> {
  return lane.until(new Promise(() => {}));
}

describe("work in lanes", () => {
  it("is done once for every item, and never in more lanes than allowed", async () => {
    const done: number[] = [];
    let running = 0;
    let most = 0;
    await runInLanes([10, 11, 12, 13, 14, 15, 16], 3, scope, async (item, index) => {
      running += 1;
      most = Math.max(most, running);
      await Promise.resolve();
      running -= 1;
      done.push(item - 10 - index);
    });
    expect(done).toEqual([0, 0, 0, 0, 0, 0, 0]);
    expect(most).toBe(3);
  });

  it("stops at the first failure: others let go, and nothing more begins", async () => {
    const begun: number[] = [];
    const failed = runInLanes([0, 1, 2, 3, 4, 5], 2, scope, async (item, _index, lane) => {
      begun.push(item);
      if (item === 1) throw new Error("the second one failed");
      await waitIn(lane);
    });
    await expect(failed).rejects.toThrow("the second one failed");
    expect(begun).toEqual([0, 1]);
  });

  it("ends in every lane when the caller goes", async () => {
    const ended = runInLanes([0, 1, 2], 2, scope, (_item, _index, lane) => waitIn(lane));
    scope.stop("caller");
    await expect(ended).rejects.toBeInstanceOf(Stopped);
    await expect(ended).rejects.toMatchObject({ stopCause: "caller" });
  });
});
