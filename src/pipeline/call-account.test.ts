import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { AttemptOutcome, ErrorReason, Outcome, UsageSchema } from "../contract.ts";
import type { PlannedTarget } from "../routing/itinerary.ts";
import { CallAccount } from "./call-account.ts";
import type { Pricer } from "./ports.ts";
import { testCaller } from "./testing/world.ts";

const planned: PlannedTarget = {
  modelId: "m",
  target: {
    id: "t",
    providerId: "p",
    providerKind: "openai",
    providerName: "openai",
    model: "x",
    region: "",
    weight: 1,
    zeroDataRetention: false,
    facts: {},
  },
};

/** An account, and its time. */
function open() {
  let ms = 0;
  const clock = { nowMs: () => 1_000 + ms, monotonicMs: () => ms };
  const identity = {
    id: "id",
    correlationId: "c",
    method: "Complete",
    caller: testCaller,
    trace: { traceId: "", spanId: "" },
    startedMs: 1_000,
  } as const;
  const pricer: Pricer = {
    price: ({ outputTokens = 0 }) => ({
      $typeName: "llmgateway.v1.Cost",
      totalNanoUsd: BigInt(outputTokens) * 3n,
      items: [],
      priceListVersion: "1",
      incomplete: false,
    }),
    mostBilled: () => undefined,
    prices: () => undefined,
  };
  const account = new CallAccount(identity, clock, pricer);
  return {
    account,
    pass: (by: number) => {
      ms += by;
    },
  };
}

const nothingSeen = { httpStatus: 0, headers: {}, usage: undefined };

describe("the account of a call", () => {
  it("counts as its own time what passed while no attempt was under way, also when two were at once", () => {
    const { account, pass } = open();
    pass(10);
    const first = account.beginAttempt(planned);
    pass(50);
    const second = account.beginAttempt(planned);
    pass(100);
    account.endAttempt(first, { ...nothingSeen, outcome: AttemptOutcome.CANCELLED });
    pass(100);
    account.endAttempt(second, { ...nothingSeen, outcome: AttemptOutcome.SERVED });
    pass(5);
    expect(account.overheadMs).toBe(15);
  });

  it("adds up what all attempts consumed, and what that costs", () => {
    const { account } = open();
    for (const outputTokens of [2, 5]) {
      const usage = create(UsageSchema, { outputTokens });
      account.endAttempt(account.beginAttempt(planned), { ...nothingSeen, usage, outcome: AttemptOutcome.FAILED });
    }
    expect(account.usage?.outputTokens).toBe(7);
    expect(account.cost?.totalNanoUsd).toBe(21n);
    const event = account.toFinalEvent({ outcome: Outcome.FAILED, failure: undefined });
    expect(event.attempts.map(({ costNanoUsd }) => costNanoUsd)).toEqual([6n, 15n]);
  });

  it("keeps what a provider reports beside our price, and compares it with the price of the same attempts alone", () => {
    const { account } = open();
    const facts = { responseModel: "", serviceTier: "", finishReason: 0 } as const;
    for (const reportedCostNanoUsd of [undefined, 7n]) {
      const usage = create(UsageSchema, { outputTokens: 2 });
      account.endAttempt(account.beginAttempt(planned), {
        ...nothingSeen,
        usage,
        facts: { ...facts, reportedCostNanoUsd },
        outcome: AttemptOutcome.FAILED,
      });
    }
    const event = account.toFinalEvent({ outcome: Outcome.FAILED, failure: undefined });
    expect(event.attempts.map(({ reportedCostNanoUsd }) => reportedCostNanoUsd)).toEqual([undefined, 7n]);
    expect(event.cost).toMatchObject({ totalNanoUsd: 12n, reportedNanoUsd: 7n, comparedNanoUsd: 6n });
  });

  it("does not know what was consumed when no attempt says so", () => {
    const { account } = open();
    account.endAttempt(account.beginAttempt(planned), { ...nothingSeen, outcome: AttemptOutcome.FAILED });
    expect([account.usage, account.cost]).toEqual([undefined, undefined]);
  });

  it("lists targets that were left out, and why", () => {
    const { account } = open();
    account.skip([
      { ...planned, because: "rate-limited" },
      { ...planned, because: "circuit-open" },
    ]);
    const attempt = account.beginAttempt(planned);
    expect(attempt.record.number).toBe(3);
    expect(account.attempts.map(({ outcome, errorReason }) => [outcome, errorReason])).toEqual([
      [AttemptOutcome.SKIPPED, ErrorReason.PROVIDER_RATE_LIMITED],
      [AttemptOutcome.SKIPPED, ErrorReason.NO_HEALTHY_TARGET],
      [AttemptOutcome.UNSPECIFIED, ErrorReason.UNSPECIFIED],
    ]);
  });
});
