import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { CallScope, Stopped } from "./call-scope.ts";
import { type AttemptControl, HedgedRace } from "./hedged-race.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** An attempt that the test ends; `control` is what it is under. */
class Entrant {
  control: AttemptControl | undefined;
  readonly #ended = Promise.withResolvers<string | undefined>();

  readonly run = (control: AttemptControl): Promise<string | undefined> => {
    this.control = control;
    return this.#ended.promise;
  };

  end(answer: string | undefined): void {
    this.#ended.resolve(answer);
  }

  fail(error: Error): void {
    this.#ended.reject(error);
  }
}

function race() {
  const scope = new CallScope(undefined);
  const [first, second] = [new Entrant(), new Entrant()];
  const hedged = new HedgedRace<string>(scope);
  hedged.start(first.run);
  hedged.startAfter(50, () => hedged.start(second.run));
  return { scope, first, second, hedged };
}

describe("a race of two attempts", () => {
  it("is won by the first that claims it, and the other is stopped and refused", async () => {
    const { first, second, hedged } = race();
    vi.advanceTimersByTime(50);
    const finished = hedged.finish();
    expect(second.control?.claim()).toBe(true);
    expect(first.control?.claim()).toBe(false);
    expect(first.control?.scope.cause).toBe("hedge");
    expect(second.control?.claim()).toBe(true);
    first.fail(new Stopped("hedge"));
    second.end("answer");
    expect(await finished).toBe("answer");
  });

  it("gives nothing when both targets failed", async () => {
    const { first, second, hedged } = race();
    vi.advanceTimersByTime(50);
    const finished = hedged.finish();
    first.end(undefined);
    second.end(undefined);
    expect(await finished).toBeUndefined();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("starts nobody when the first has claimed or ended before", async () => {
    const claimed = race();
    claimed.first.control?.claim();
    const ended = race();
    ended.first.end(undefined);
    await ended.hedged.finish();
    vi.advanceTimersByTime(1_000);
    expect([claimed.second.control, ended.second.control]).toEqual([undefined, undefined]);
  });

  it("is over only when both are, though one of them ended the call", async () => {
    const { first, second, hedged } = race();
    vi.advanceTimersByTime(50);
    let isOver = false;
    const finished = hedged.finish().finally(() => {
      isOver = true;
    });
    const caught = finished.catch((error: unknown) => error);
    first.fail(new Error("a bug"));
    await vi.advanceTimersByTimeAsync(0);
    expect(second.control?.scope.cause).toBe("hedge");
    expect(isOver).toBe(false);
    second.fail(new Stopped("hedge"));
    expect(await caught).toEqual(new Error("a bug"));
  });

  it("ends with its call", async () => {
    const { scope, first, second, hedged } = race();
    vi.advanceTimersByTime(50);
    const caught = hedged.finish().catch((error: unknown) => error);
    scope.stop("caller");
    expect([first.control?.scope.cause, second.control?.scope.cause]).toEqual(["caller", "caller"]);
    first.fail(new Stopped("caller"));
    second.fail(new Stopped("caller"));
    expect(await caught).toMatchObject({ stopCause: "caller" });
  });
});
