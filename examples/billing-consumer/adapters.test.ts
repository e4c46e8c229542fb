import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { UsageEventSchema } from "../../src/contract.ts";
import { toLagoEvent } from "./to-lago-event.ts";
import { toOpenMeterEvent } from "./to-open-meter-event.ts";
import { toStripeMeterEvents } from "./to-stripe-meter-events.ts";

const event = create(UsageEventSchema, {
  eventId: "0190b5e0-7a1c-7000-8000-000000000001",
  eventTime: { seconds: 1_764_000_000n, nanos: 250_000_000 },
  model: "support-chat",
  provider: "openai",
  gatewayInstance: "gateway 1",
  usage: { inputTokens: 120, outputTokens: 0 },
  cost: { totalNanoUsd: 12_345_670n },
});

describe("an event for Stripe", () => {
  it("is one meter event for each count, under an identifier that is the same each time", () => {
    const meters = { inputTokens: "llm_input", outputTokens: "llm_output", nanoUsd: "llm_cost" };
    expect(toStripeMeterEvents(event, "cus_1", meters)).toEqual([
      {
        event_name: "llm_input",
        payload: { stripe_customer_id: "cus_1", value: "120" },
        identifier: "0190b5e0-7a1c-7000-8000-000000000001:input",
        timestamp: 1_764_000_000,
      },
      {
        event_name: "llm_cost",
        payload: { stripe_customer_id: "cus_1", value: "12345670" },
        identifier: "0190b5e0-7a1c-7000-8000-000000000001:cost",
        timestamp: 1_764_000_000,
      },
    ]);
    expect(toStripeMeterEvents(event, "cus_1", {})).toEqual([]);
  });
});

describe("an event for OpenMeter", () => {
  it("is a CloudEvent with the counts that are known", () => {
    expect(toOpenMeterEvent(event, "acme")).toEqual({
      specversion: "1.0",
      id: "0190b5e0-7a1c-7000-8000-000000000001",
      source: "/llmgateway/gateway%201",
      type: "llm.tokens",
      subject: "acme",
      time: "2025-11-24T16:00:00.250Z",
      data: {
        model: "support-chat",
        provider: "openai",
        input_tokens: 120,
        output_tokens: 0,
        cost_nano_usd: "12345670",
      },
    });
    const bare = create(UsageEventSchema, { eventId: "e" });
    expect(toOpenMeterEvent(bare, "acme").data).toEqual({ model: "", provider: "" });
  });
});

describe("an event for Lago", () => {
  it("carries its cost in exact cents", () => {
    expect(toLagoEvent(event, "sub_1", "llm").event).toEqual({
      transaction_id: "0190b5e0-7a1c-7000-8000-000000000001",
      external_subscription_id: "sub_1",
      code: "llm",
      timestamp: "1764000000.250",
      precise_total_amount_cents: "1.234567",
      properties: { model: "support-chat", provider: "openai", input_tokens: 120, output_tokens: 0 },
    });
  });

  it.each([
    [0n, "0"],
    [1n, "0.0000001"],
    [10_000_000n, "1"],
    [-15_000_000n, "-1.5"],
    [9_223_372_036_854_775_807n, "922337203685.4775807"],
  ])("turns %s nano-USD into %s cents", (nanoUsd, cents) => {
    const priced = create(UsageEventSchema, { cost: { totalNanoUsd: nanoUsd } });
    expect(toLagoEvent(priced, "s", "c").event.precise_total_amount_cents).toBe(cents);
  });
});

describe("a correction", () => {
  const createTime = { seconds: 1_767_000_000n, nanos: 0 };
  const first = create(UsageEventSchema, {
    eventId: "first",
    correctsEventId: event.eventId,
    correction: { createTime },
    usage: { inputTokens: 100, outputTokens: 8 },
    cost: { totalNanoUsd: 10_000_000n },
  });
  const second = create(UsageEventSchema, {
    eventId: "second",
    correctsEventId: "first",
    correction: { createTime },
    usage: { inputTokens: 130, outputTokens: 8 },
    cost: { totalNanoUsd: 12_345_678n },
  });
  const chain = [
    [event, undefined],
    [first, event],
    [second, first],
  ] as const;
  const sum = (values: readonly (number | undefined)[]) => values.reduce<number>((all, one) => all + (one ?? 0), 0);

  it("makes the sums of each system those of the event that counts, under an id and a time of its own", () => {
    const meters = { inputTokens: "in", outputTokens: "out", nanoUsd: "cost" };
    const stripe = chain.flatMap(([one, corrected]) => toStripeMeterEvents(one, "cus_1", meters, corrected));
    const toldTo = (meter: string) =>
      sum(stripe.filter((one) => one.event_name === meter).map(({ payload }) => Number(payload.value)));
    expect([toldTo("in"), toldTo("out"), toldTo("cost")]).toEqual([130, 8, 12_345_678]);
    expect(stripe.find(({ identifier }) => identifier === "first:input")).toMatchObject({
      payload: { value: "-20" },
      timestamp: 1_767_000_000,
    });
    expect(new Set(stripe.map(({ identifier }) => identifier)).size).toBe(stripe.length);

    const meter = chain.map(([one, corrected]) => toOpenMeterEvent(one, "acme", corrected));
    expect(sum(meter.map(({ data }) => Number(data["input_tokens"])))).toBe(130);
    expect(sum(meter.map(({ data }) => Number(data["cost_nano_usd"])))).toBe(12_345_678);
    expect(meter.map(({ id, time }) => [id, time])[1]).toEqual(["first", "2025-12-29T09:20:00.000Z"]);

    const lago = chain.map(([one, corrected]) => toLagoEvent(one, "sub_1", "llm", corrected).event);
    expect(lago.map((one) => one.precise_total_amount_cents)).toEqual(["1.234567", "-0.234567", "0.2345678"]);
    expect(sum(lago.map(({ properties }) => Number(properties["output_tokens"])))).toBe(8);
  });

  it("is refused without the event that it replaces, or with another", () => {
    expect(() => toStripeMeterEvents(first, "cus_1", { inputTokens: "in" })).toThrow(
      "needs the event that it corrects",
    );
    expect(() => toLagoEvent(second, "s", "c", event)).toThrow("needs the event that it corrects");
    expect(() => toOpenMeterEvent(event, "acme", first)).toThrow("needs the event that it corrects");
  });
});
