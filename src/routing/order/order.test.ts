import { describe, expect, it } from "vitest";
import type { TargetConfig } from "../../config/config.ts";
import { buildRoutes, type RoutedTarget } from "../route.ts";
import { modelConfig, targetConfig, targetOf } from "../routing-fixture.ts";
import { routingLimits as limits } from "../routing-limits.ts";
import type { OrderContext } from "./order-context.ts";
import { strategies } from "./strategies.ts";

function routed(targets: readonly TargetConfig[]): readonly RoutedTarget[] {
  const { byModel } = buildRoutes([modelConfig("m", targets)], targetOf, () => 1, limits);
  return byModel.get("m")?.targets ?? [];
}

function context(changes: Partial<OrderContext> = {}): OrderContext {
  return {
    nowMs: 0,
    stickyKey: "",
    outputTokens: () => 100,
    expectedCost: () => undefined,
    random: () => 0.99,
    limits,
    ...changes,
  };
}

function ids(targets: readonly RoutedTarget[]): readonly string[] {
  return targets.map(({ planned }) => planned.target.id);
}

/** Numbers from 0 to 1, the same each time. */
function seeded(): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

describe("weighted", () => {
  it("gives each arm its share, with and without sticky keys", () => {
    const arms = routed([targetConfig("a", { weight: 3 }), targetConfig("b", { weight: 1 })]);
    const random = seeded();
    let drawn = 0;
    let sticky = 0;
    for (let index = 0; index < 4_000; index += 1) {
      if (ids(strategies.weighted(arms, context({ random })))[0] === "a") drawn += 1;
      if (ids(strategies.weighted(arms, context({ stickyKey: `user-${index}` })))[0] === "a") sticky += 1;
    }
    expect(drawn / 4_000).toBeCloseTo(0.75, 1);
    expect(sticky / 4_000).toBeCloseTo(0.75, 1);
  });

  it("keeps a key on its arm", () => {
    const arms = routed([targetConfig("a"), targetConfig("b"), targetConfig("c")]);
    const first = strategies.weighted(arms, context({ stickyKey: "user-7", random: seeded() }));
    expect(strategies.weighted(arms, context({ stickyKey: "user-7", random: () => 0.1 }))).toEqual(first);
  });

  it("moves keys only towards an arm whose weight grew", () => {
    const before = routed([targetConfig("a"), targetConfig("b"), targetConfig("c")]);
    const after = routed([targetConfig("a"), targetConfig("b", { weight: 2 }), targetConfig("c")]);
    for (let index = 0; index < 1_000; index += 1) {
      const stickyKey = `user-${index}`;
      const [was] = ids(strategies.weighted(before, context({ stickyKey })));
      const [is] = ids(strategies.weighted(after, context({ stickyKey })));
      if (is !== was) expect(is).toBe("b");
    }
  });

  it("uses an arm of weight 0 only when all others failed", () => {
    const arms = routed([targetConfig("off", { weight: 0 }), targetConfig("a"), targetConfig("b")]);
    for (let index = 0; index < 100; index += 1) {
      expect(ids(strategies.weighted(arms, context({ stickyKey: `user-${index}` })))[2]).toBe("off");
    }
  });
});

describe("cost", () => {
  it("puts the cheapest first and an unknown price last", () => {
    const targets = routed([targetConfig("unknown"), targetConfig("dear"), targetConfig("cheap")]);
    const costs: Readonly<Record<string, number>> = { dear: 20, cheap: 10 };
    const expectedCost = ({ planned }: RoutedTarget): number | undefined => costs[planned.target.id];
    expect(ids(strategies.cost(targets, context({ expectedCost })))).toEqual(["cheap", "dear", "unknown"]);
  });
});

describe("latency and throughput", () => {
  function measured(): readonly RoutedTarget[] {
    const targets = routed([targetConfig("slow"), targetConfig("fast"), targetConfig("quick-start")]);
    const [slow, fast, quickStart] = targets;
    slow?.health.succeeded({ durationMs: 5_000, timeToFirstTokenMs: 1_000, outputTokens: 100 }, 0);
    fast?.health.succeeded({ durationMs: 1_500, timeToFirstTokenMs: 500, outputTokens: 200 }, 0);
    quickStart?.health.succeeded({ durationMs: 4_100, timeToFirstTokenMs: 100, outputTokens: 100 }, 0);
    return targets;
  }

  it("expects the whole answer: first token, then output speed", () => {
    expect(ids(strategies.latency(measured(), context()))).toEqual(["fast", "quick-start", "slow"]);
    expect(ids(strategies.latency(measured(), context({ outputTokens: () => 1 })))[0]).toBe("quick-start");
    expect(ids(strategies.throughput(measured(), context()))[0]).toBe("fast");
  });

  it("tries a target that was never seen", () => {
    const targets = [...measured(), ...routed([targetConfig("new")])];
    expect(ids(strategies.latency(targets, context()))[0]).toBe("new");
    expect(ids(strategies.throughput(targets, context()))[0]).toBe("new");
  });

  it("explores now and then the target known worst", () => {
    const targets = measured();
    targets[1]?.health.succeeded({ durationMs: 1_500, timeToFirstTokenMs: 500, outputTokens: 200 }, 0);
    targets[2]?.health.succeeded({ durationMs: 4_100, timeToFirstTokenMs: 100, outputTokens: 100 }, 0);
    expect(ids(strategies.latency(targets, context({ random: () => 0 })))[0]).toBe("slow");
  });
});

describe("least_busy", () => {
  it("counts calls in flight for the weight of a target", () => {
    const targets = routed([targetConfig("a"), targetConfig("b", { weight: 4 })]);
    for (const { health } of targets) health.started();
    targets[1]?.health.started();
    expect(ids(strategies.least_busy(targets, context()))).toEqual(["b", "a"]);
  });
});

describe("priority", () => {
  it("keeps the configured order", () => {
    const targets = routed([targetConfig("a"), targetConfig("b")]);
    expect(strategies.priority(targets, context())).toBe(targets);
  });
});
