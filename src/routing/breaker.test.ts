import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Breaker, type CircuitState } from "./breaker.ts";
import { routingLimits as limits } from "./routing-limits.ts";

function openedAt(nowMs: number): Breaker {
  const breaker = new Breaker(limits);
  for (let count = 0; count < limits.circuitFailures; count += 1) breaker.failed(nowMs);
  return breaker;
}

describe("Breaker", () => {
  it("opens after the configured failures in a row, not one earlier", () => {
    const breaker = new Breaker(limits);
    for (let count = 1; count < limits.circuitFailures; count += 1) breaker.failed(1_000);
    expect(breaker.state(1_000)).toBe("closed");
    breaker.failed(1_000);
    expect(breaker.state(1_000)).toBe("open");
    expect(breaker.admits(1_000)).toBe(false);
  });

  it("opens at half of the answers failing, even when failures never come in a row", () => {
    const breaker = new Breaker(limits);
    for (let count = 0; count < limits.circuitSamplesMin; count += 1) {
      breaker.succeeded(1_000);
      breaker.failed(1_000);
    }
    expect(breaker.state(1_000)).toBe("open");
  });

  it("lets one probe through when its time is over, and closes when that succeeds", () => {
    const breaker = openedAt(1_000);
    const endMs = 1_000 + limits.circuitOpenMs;
    expect(breaker.admits(endMs - 1)).toBe(false);
    expect(breaker.admits(endMs)).toBe(true);
    breaker.reserve(endMs);
    expect(breaker.admits(endMs + 1)).toBe(false);
    breaker.succeeded(endMs + 100);
    expect(breaker.state(endMs + 100)).toBe("closed");
    expect(breaker.admits(endMs + 100)).toBe(true);
  });

  it("opens for twice as long when the probe fails, up to the longest time", () => {
    const breaker = openedAt(0);
    let openMs = limits.circuitOpenMs;
    for (let round = 0; round < 8; round += 1) {
      const endMs = breaker.openUntilMs;
      breaker.reserve(endMs);
      breaker.failed(endMs);
      openMs = Math.min(openMs * 2, limits.circuitOpenMsMax);
      expect(breaker.openUntilMs).toBe(endMs + openMs);
    }
  });

  it("probes again when a probe was cancelled, or never came back", () => {
    const breaker = openedAt(0);
    const endMs = breaker.openUntilMs;
    breaker.reserve(endMs);
    breaker.release();
    expect(breaker.admits(endMs)).toBe(true);
    breaker.reserve(endMs);
    expect(breaker.admits(endMs + limits.probeLeaseMs - 1)).toBe(false);
    expect(breaker.admits(endMs + limits.probeLeaseMs)).toBe(true);
  });

  it("opens at once and for long when our key was refused", () => {
    const breaker = new Breaker(limits);
    breaker.failedForLong(0);
    expect(breaker.openUntilMs).toBe(limits.circuitOpenMsLong);
  });

  it("keeps its laws under any history", () => {
    const step = fc.record({
      passMs: fc.integer({ min: 0, max: 20_000 }),
      event: fc.constantFrom(...Object.keys(events)),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const breaker = new Breaker(limits);
        let nowMs = 0;
        for (const { passMs, event } of steps) {
          nowMs += passMs;
          const before = {
            state: breaker.state(nowMs),
            openUntilMs: breaker.openUntilMs,
            admits: breaker.admits(nowMs),
          };
          expect(admissible[before.state]).toContain(before.admits);
          events[event]?.(breaker, nowMs);
          expect(afterwards[`${before.state} ${event}`] ?? allStates).toContain(breaker.state(nowMs));
          // Nothing that happens while it is open makes the open time shorter or longer.
          if (before.state === "open") expect(breaker.openUntilMs).toBe(before.openUntilMs);
          expect(breaker.openUntilMs - nowMs).toBeLessThanOrEqual(limits.circuitOpenMsLongMax);
        }
      }),
    );
  });
});

const events: Readonly<Record<string, (breaker: Breaker, nowMs: number) => void>> = {
  call(breaker, nowMs) {
    if (!breaker.admits(nowMs)) return;
    breaker.reserve(nowMs);
    expect(breaker.admits(nowMs)).toBe(breaker.state(nowMs) === "closed"); // One probe and no more.
  },
  success: (breaker, nowMs) => breaker.succeeded(nowMs),
  failure: (breaker, nowMs) => breaker.failed(nowMs),
  refusal: (breaker, nowMs) => breaker.failedForLong(nowMs),
  release: (breaker) => breaker.release(),
};

const allStates: readonly CircuitState[] = ["closed", "open", "half-open"];

const admissible: Readonly<Record<CircuitState, readonly boolean[]>> = {
  closed: [true],
  open: [false],
  "half-open": [true, false],
};

/** Where an event may lead; what is not listed may lead anywhere. */
const afterwards: Readonly<Record<string, readonly CircuitState[]>> = {
  "closed success": ["closed"],
  "closed failure": ["closed", "open"],
  "closed refusal": ["open"],
  "closed call": ["closed"],
  "open success": ["open"],
  "open failure": ["open"],
  "open refusal": ["open"],
  "half-open success": ["closed"],
  "half-open failure": ["open"],
  "half-open refusal": ["open"],
  "half-open call": ["half-open"],
};
