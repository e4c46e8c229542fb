import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type AttemptLimits, AttemptTimer, type ExpiredLimit } from "./attempt-timer.ts";

const clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };
const limits: AttemptLimits = { firstTokenMs: 1_000, idleMs: 300, totalMs: 5_000 };

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

function start(changes: Partial<AttemptLimits> = {}) {
  const expired: ExpiredLimit[] = [];
  const timer = new AttemptTimer(clock, { ...limits, ...changes }, (limit) => expired.push(limit));
  return { timer, expired };
}

describe("the time limits of an attempt", () => {
  it("end it without a first token, though bytes come", () => {
    const { timer, expired } = start();
    vi.advanceTimersByTime(900);
    timer.active();
    vi.advanceTimersByTime(99);
    expect(expired).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(expired).toEqual(["first-token"]);
  });

  it("end it when it falls silent after its first content, counted from the last bytes", () => {
    const { timer, expired } = start();
    timer.contentSeen();
    for (let beat = 0; beat < 5; beat += 1) {
      vi.advanceTimersByTime(299);
      timer.active();
    }
    expect(expired).toEqual([]);
    vi.advanceTimersByTime(300);
    expect(expired).toEqual(["idle"]);
  });

  it("end it in all, however busy it is", () => {
    const { timer, expired } = start();
    timer.contentSeen();
    for (let ms = 0; ms < 4_900; ms += 100) {
      vi.advanceTimersByTime(100);
      timer.active();
    }
    expect(expired).toEqual([]);
    vi.advanceTimersByTime(100);
    expect(expired).toEqual(["total"]);
  });

  it("do not count our own silence against the provider", () => {
    const { timer, expired } = start();
    timer.contentSeen();
    timer.paused = true;
    vi.advanceTimersByTime(3_000);
    expect(expired).toEqual([]);
    timer.paused = false;
    vi.advanceTimersByTime(299);
    expect(expired).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(expired).toEqual(["idle"]);
  });

  it("leave no timer behind once stopped, also when the first content is noted after the end", () => {
    const { timer } = start();
    timer.stop();
    timer.contentSeen();
    timer.paused = false;
    expect(vi.getTimerCount()).toBe(0);
  });

  it("know no first token in a unary attempt", () => {
    const { expired } = start({ firstTokenMs: undefined, idleMs: undefined });
    vi.advanceTimersByTime(4_999);
    expect(expired).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(expired).toEqual(["total"]);
  });

  it("end it when it trickles: a window in which less came than the least rate", () => {
    let characters = 0;
    const expired: ExpiredLimit[] = [];
    const minRate = { charactersPerSecond: 10, windowMs: 1_000 };
    const timer = new AttemptTimer(
      clock,
      { ...limits, totalMs: 60_000, minRate },
      (limit) => expired.push(limit),
      () => characters,
    );
    const comesFor = (ms: number, each: number): void => {
      for (let passed = 0; passed < ms; passed += 100) {
        vi.advanceTimersByTime(100);
        timer.active();
        characters += each;
      }
    };
    comesFor(500, 0); // Before the first content only that is waited for.
    timer.contentSeen();
    comesFor(3_000, 2);
    expect(expired).toEqual([]);
    timer.paused = true; // We do not read: the window is no measure of the provider.
    vi.advanceTimersByTime(5_000);
    timer.paused = false;
    comesFor(900, 0.9);
    expect(expired).toEqual([]);
    comesFor(200, 0.9);
    expect(expired).toEqual(["rate"]);
  });

  it("may be longer than a timer can be", () => {
    const { expired } = start({ firstTokenMs: undefined, idleMs: undefined, totalMs: 2 ** 40 });
    vi.advanceTimersByTime(10_000);
    expect(expired).toEqual([]);
    expect(vi.getTimerCount()).toBe(1);
  });

  it("set few timers, however many pieces come", () => {
    const set = vi.spyOn(globalThis, "setTimeout");
    const { timer } = start();
    timer.contentSeen();
    for (let piece = 0; piece < 1_000; piece += 1) {
      vi.advanceTimersByTime(1);
      timer.active();
    }
    expect(set.mock.calls.length).toBeLessThan(10);
    set.mockRestore();
  });
});
