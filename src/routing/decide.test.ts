import { describe, expect, it } from "vitest";
import { ProviderFailure } from "../domain/provider-failure.ts";
import { decide, ruleOf, type Situation } from "./decide.ts";
import { routingLimits as limits } from "./routing-limits.ts";

const open: Situation = {
  attemptsLeft: 2,
  otherTarget: "none",
  waitMs: 100,
  waitIsForSame: true,
  waitMsMax: 5_000,
};
const brief = ruleOf(new ProviderFailure("interrupted", "cut"), limits);
const lasting = ruleOf(new ProviderFailure("overloaded", "full"), limits);

describe("decide", () => {
  it.each([
    {
      when: "another target of the model is ready",
      situation: { otherTarget: "same-model" },
      rule: brief,
      outcome: { kind: "next-target" },
    },
    {
      when: "only another model is ready",
      situation: { otherTarget: "other-model" },
      rule: lasting,
      outcome: { kind: "next-target" },
    },
    {
      when: "only another model is ready and the failure is brief",
      situation: { otherTarget: "other-model" },
      rule: brief,
      outcome: { kind: "retry", afterMs: 100 },
    },
    {
      when: "a brief failure would wait too long",
      situation: { otherTarget: "other-model", waitMs: 6_000 },
      rule: brief,
      outcome: { kind: "next-target" },
    },
    { when: "there is no other target", situation: {}, rule: lasting, outcome: { kind: "retry", afterMs: 100 } },
    {
      when: "the wait is longer than allowed",
      situation: { waitMs: 5_001 },
      rule: lasting,
      outcome: { kind: "give-up", because: "no-target" },
    },
    {
      when: "the wait passes the deadline",
      situation: { waitMs: 100, waitMsMax: 99 },
      rule: lasting,
      outcome: { kind: "give-up", because: "no-target" },
    },
    {
      when: "the deadline is over",
      situation: { otherTarget: "same-model", waitMsMax: -1 },
      rule: lasting,
      outcome: { kind: "give-up", because: "deadline" },
    },
    {
      when: "the budget is used up",
      situation: { attemptsLeft: 0, otherTarget: "same-model" },
      rule: lasting,
      outcome: { kind: "give-up", because: "attempts" },
    },
    {
      when: "nothing may be asked again",
      situation: { waitMs: undefined },
      rule: lasting,
      outcome: { kind: "give-up", because: "no-target" },
    },
  ] as const)("when $when: $outcome.kind", ({ situation, rule, outcome }) => {
    expect(decide(rule, { ...open, ...situation })).toEqual(outcome);
  });
});

describe("ruleOf", () => {
  it.each([
    [404, "any"],
    [405, "any"],
    [410, "any"],
    [400, "none"],
    [422, "none"],
  ] as const)("sends a request rejected with %i to other targets: %s", (httpStatus, elsewhere) => {
    expect(ruleOf(new ProviderFailure("rejected-request", "no", { httpStatus }), limits).elsewhere).toBe(elsewhere);
  });

  it("takes a 429 with a tiny wait for a brief failure", () => {
    expect(ruleOf(new ProviderFailure("rate-limited", "slow", { retryAfterMs: 200 }), limits).brief).toBe(true);
    expect(ruleOf(new ProviderFailure("rate-limited", "slow", { retryAfterMs: 2_000 }), limits).brief).toBe(false);
  });
});
