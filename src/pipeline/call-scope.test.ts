import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { CallScope, Stopped } from "./call-scope.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** What a wait came to. */
function outcomeOf(wait: Promise<unknown>): Promise<unknown> {
  return wait.catch((error: unknown) => (error instanceof Stopped ? error.stopCause : error));
}

describe("the scope of a call", () => {
  it("stops once, for the first cause, and tells the current wait", () => {
    const scope = new CallScope(undefined);
    const told: string[] = [];
    scope.whenStopped((cause) => told.push(`first ${cause}`));
    scope.whenStopped((cause) => told.push(`second ${cause}`));
    expect(scope.stop("shutdown")).toBe(true);
    expect(scope.stop("caller")).toBe(false);
    expect(told).toEqual(["second shutdown"]);
    expect(scope.cause).toBe("shutdown");
  });

  it("stops at the deadline, and leaves no timer behind", () => {
    const scope = new CallScope(1_000);
    vi.advanceTimersByTime(999);
    expect(scope.cause).toBeUndefined();
    vi.advanceTimersByTime(1);
    expect(scope.cause).toBe("deadline");
    expect(vi.getTimerCount()).toBe(0);
  });

  it("is not stopped any more once the call is over", () => {
    const scope = new CallScope(1_000);
    const child = scope.child();
    scope.close();
    expect(vi.getTimerCount()).toBe(0);
    expect(scope.stop("caller")).toBe(false);
    expect([scope.cause, child.cause]).toEqual([undefined, undefined]);
  });

  it("stops its children, and a child stops alone", () => {
    const scope = new CallScope(undefined);
    const [first, second] = [scope.child(), scope.child()];
    first.stop("hedge");
    expect([scope.cause, second.cause]).toEqual([undefined, undefined]);
    scope.stop("caller");
    expect([first.cause, second.cause, scope.child().cause]).toEqual(["hedge", "caller", "caller"]);
  });

  it("wakes a sleeper that is stopped, and clears its timer", async () => {
    const scope = new CallScope(undefined);
    const slept = outcomeOf(scope.sleep(1_000));
    scope.stop("caller");
    expect(await slept).toBe("caller");
    expect(vi.getTimerCount()).toBe(0);
  });

  it("sleeps as long as it was told", async () => {
    const scope = new CallScope(undefined);
    let isAwake = false;
    const slept = scope.sleep(1_000).then(() => {
      isAwake = true;
    });
    await vi.advanceTimersByTimeAsync(999);
    expect(isAwake).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(isAwake).toBe(true);
    await slept;
  });

  it("gives up waiting for what does not come, and drops what comes too late", async () => {
    const scope = new CallScope(undefined);
    const { promise, reject } = Promise.withResolvers<string>();
    const waited = outcomeOf(scope.until(promise));
    scope.stop("caller");
    expect(await waited).toBe("caller");
    reject(new Error("too late: nobody hears this, and it harms nobody"));
    expect(await outcomeOf(scope.until(Promise.resolve("value")))).toBe("caller");
  });

  it("passes on what came in time, and then tells the next wait of a stop", async () => {
    const scope = new CallScope(undefined);
    expect(await scope.until(Promise.resolve("value"))).toBe("value");
    const told: string[] = [];
    scope.whenStopped((cause) => told.push(cause));
    scope.stop("caller");
    expect(told).toEqual(["caller"]);
  });
});
