// What a call takes of limits and budgets on its way in, and what stands in its event when it does not get in.
import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import {
  AttemptOutcome,
  CompleteRequestSchema,
  type CompleteResponse,
  ErrorReason,
  Outcome,
  Role,
} from "../contract.ts";
import { CallFailure } from "../domain/call-failure.ts";
import type { LeaseStore } from "../domain/lease-store.ts";
import { createAdmission } from "../policy/admission.ts";
import { createAnthropicProvider } from "../providers/anthropic/index.ts";
import { anthropicWire, wholeScript } from "./testing/chat-answers.ts";
import { RecordingAnswer } from "./testing/recording-sinks.ts";
import { World, type WorldOptions } from "./testing/world.ts";

const request = create(CompleteRequestSchema, {
  model: "m",
  messages: [{ role: Role.USER, parts: [{ content: { case: "text", value: { text: "Say something." } } }] }],
});

function worldWith(options: Partial<WorldOptions>): World {
  const providers = [createAnthropicProvider({ id: "claude", kind: "anthropic" })];
  return new World({ providers, scriptOf: () => wholeScript(anthropicWire.whole({ text: ["yes"] })), ...options });
}

async function complete(world: World): Promise<RecordingAnswer<CompleteResponse>> {
  const sink = new RecordingAnswer<CompleteResponse>();
  world.open("Complete").complete(request, sink);
  await world.playOut();
  return sink;
}

/** Others have spent so much, which is told with the first lease. */
function storeWith(used: bigint): LeaseStore {
  return {
    exchange: ({ need, want }) => Promise.resolve({ leaseId: "l", leased: need + want, used, free: 1n }),
    allow: () => {},
    drop: () => {},
    used: () => Promise.resolve(used),
    close: () => Promise.resolve(),
  };
}

describe("a call that learns on its way in that its budget sends it elsewhere", () => {
  it("is one request to the limits on requests, and holds what it was admitted for last", async () => {
    const admission = createAdmission({
      limits: [{ scope: "project/p", requestsPerMinute: 1, onStateFailure: "closed" }],
      budgets: [{ id: "b", scope: "project/p", period: "month", softNanoUsd: 1n, fallbackModel: "cheap", alertAt: [] }],
      store: storeWith(5n),
      shared: false,
    });
    const world = worldWith({ parts: { admission } });
    const [first, second] = [await complete(world), await complete(world)];
    expect(first.failures).toEqual([]);
    expect(world.finals[0]).toMatchObject({ outcome: Outcome.SUCCEEDED, fallbackBudgetId: "b" });
    expect(second.failures[0]?.reason).toBe(ErrorReason.RATE_LIMITED);
    expect(world.finals[1]?.reservedNanoUsd).toBe(0n);
  });
});

describe("a call that admission refuses", () => {
  it("has in its event the rule that chose for it and the targets that were left out", async () => {
    const admit = () => Promise.reject(new CallFailure(ErrorReason.BUDGET_EXHAUSTED, "nothing is left"));
    const world = worldWith({ parts: { admission: { admit } }, ruleId: "by-label", skipsFirst: "circuit-open" });
    const { failures } = await complete(world);
    expect(failures[0]?.reason).toBe(ErrorReason.BUDGET_EXHAUSTED);
    const [event] = world.finals;
    expect(event?.ruleId).toBe("by-label");
    expect(event?.attempts).toMatchObject([
      { targetId: "t0", outcome: AttemptOutcome.SKIPPED, errorReason: ErrorReason.NO_HEALTHY_TARGET },
    ]);
  });
});
