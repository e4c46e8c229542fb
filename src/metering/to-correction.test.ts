import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import {
  AttemptOutcome,
  CorrectionPrices,
  CorrectUsageRequestSchema,
  type Cost,
  ErrorReason,
  Meter,
  PriceSchema,
  type Usage,
  UsageEventSchema,
  type UsageSchema,
  UsageSource,
} from "../contract.ts";
import { CallFailure } from "../domain/call-failure.ts";
import { priceUsage } from "./price.ts";
import { toCorrection } from "./to-correction.ts";

const startMs = 1_800_000_000_000;
const nowMs = startMs + 40 * 86_400_000;

/** A failed attempt that was billed, one that served, and one that was left out. */
const before = create(UsageEventSchema, {
  eventId: "event-1",
  eventTime: timestampFromMs(startMs + 3_000),
  startTime: timestampFromMs(startMs),
  principal: { projectId: "search", keyId: "k" },
  labels: { feature: "answers" },
  gatewayInstance: "gateway-1",
  instanceBootId: "boot",
  instanceSequence: 7n,
  usage: { inputTokens: 110, outputTokens: 30, reasoningOutputTokens: 10, source: UsageSource.MIXED },
  attempts: [
    { number: 1, outcome: AttemptOutcome.SKIPPED },
    { number: 2, outcome: AttemptOutcome.FAILED, usage: { inputTokens: 10 }, startTime: timestampFromMs(startMs) },
    {
      number: 3,
      outcome: AttemptOutcome.SERVED,
      startTime: timestampFromMs(startMs + 1_000),
      duration: durationFromMs(2_000),
      reportedCostNanoUsd: 5n,
      usage: {
        inputTokens: 100,
        outputTokens: 30,
        reasoningOutputTokens: 10,
        cacheWriteInputTokens: 20,
        cacheWrites: [{ ttl: { seconds: 300n }, inputTokens: 20 }],
        source: UsageSource.ESTIMATED,
      },
    },
  ],
});

/** One nano-USD for each input token, ten for each output token. */
const prices = [
  create(PriceSchema, { meter: Meter.INPUT_TOKENS, nanoUsdPerMillion: 1_000_000n }),
  create(PriceSchema, { meter: Meter.CACHE_WRITE_INPUT_TOKENS, nanoUsdPerMillion: 1_000_000n }),
  create(PriceSchema, { meter: Meter.OUTPUT_TOKENS, nanoUsdPerMillion: 10_000_000n }),
];

function correct(request: MessageInitShape<typeof CorrectUsageRequestSchema>, event = before) {
  const pricedAtMs: number[] = [];
  const price = (_event: unknown, { serviceTier }: { serviceTier: string }, usage: Usage, atMs: number): Cost => {
    pricedAtMs.push(atMs);
    return priceUsage(usage, prices, { serviceTier, priceListVersion: "list-2" });
  };
  const asked = create(CorrectUsageRequestSchema, {
    eventId: event.eventId,
    reason: "why",
    requestId: "r",
    ...request,
  });
  return { corrected: toCorrection(event, asked, nowMs, price), pricedAtMs };
}

function refusalOf(request: MessageInitShape<typeof CorrectUsageRequestSchema>, event = before) {
  try {
    correct(request, event);
  } catch (error) {
    if (error instanceof CallFailure)
      return { reason: error.reason, fields: error.facts.violations?.map((v) => v.field) };
  }
  return expect.fail("it was not refused");
}

describe("a correction", () => {
  it("is like the event that it replaces, in all but usage, cost and what names it", () => {
    const { corrected } = correct({ attempt: 3, usage: { inputTokens: 90 } });
    const { usage, cost, attempts, eventId, correctsEventId, correction, ...rest } = corrected;
    const { usage: _usage, cost: _cost, attempts: _attempts, eventId: _id, ...kept } = before;
    const unnamed = { gatewayInstance: "", instanceBootId: "", instanceSequence: 0n, correctsEventId };
    expect({ ...rest, correctsEventId }).toEqual({ ...kept, ...unnamed });
    expect([eventId, correctsEventId]).toEqual(["", "event-1"]);
    expect(correction).toMatchObject({ reason: "why", requestId: "r", prices: CorrectionPrices.OF_RPC });
    expect(correction?.createTime).toEqual(timestampFromMs(nowMs));
  });

  it("puts counts that are set in the place of those before, keeps the others, and has the sums of all attempts", () => {
    const { corrected } = correct({ attempt: 3, usage: { inputTokens: 90, cacheWriteInputTokens: 25 } });
    expect(corrected.attempts[2]?.usage).toMatchObject({
      inputTokens: 90,
      outputTokens: 30,
      reasoningOutputTokens: 10,
      cacheWriteInputTokens: 25,
      cacheWrites: [],
      source: UsageSource.PROVIDER,
    });
    expect(corrected.usage).toMatchObject({ inputTokens: 100, outputTokens: 30 });
    expect(corrected.cost).toMatchObject({ totalNanoUsd: 400n, priceListVersion: "list-2", reportedNanoUsd: 5n });
    expect(corrected.cost?.comparedNanoUsd).toBe(390n);
    expect(corrected.attempts.map(({ costNanoUsd }) => costNanoUsd)).toEqual([0n, 10n, 390n]);
    expect(before.attempts[2]?.usage?.inputTokens).toBe(100);
  });

  it("is priced as of when each attempt ended, or as of now", () => {
    expect(correct({}).pricedAtMs).toEqual([startMs, startMs + 3_000]);
    const { corrected, pricedAtMs } = correct({ prices: CorrectionPrices.CURRENT });
    expect(pricedAtMs).toEqual([nowMs, nowMs]);
    expect(corrected.correction?.prices).toBe(CorrectionPrices.CURRENT);
    expect(corrected.usage).toMatchObject({ inputTokens: 110, outputTokens: 30 });
  });

  it("takes the tier that the provider billed", () => {
    const { corrected } = correct({ attempt: 3, serviceTier: "batch" });
    expect(corrected.attempts.map(({ serviceTier }) => serviceTier)).toEqual(["", "", "batch"]);
  });

  it("finds the one attempt that consumed, or the only one that was made", () => {
    const lost = create(UsageEventSchema, { eventId: "lost", attempts: [{ number: 1 }] });
    expect(correct({ usage: { inputTokens: 5, outputTokens: 1 } }, lost).corrected).toMatchObject({
      usage: { inputTokens: 5, outputTokens: 1 },
      cost: { totalNanoUsd: 15n },
    });
  });

  it.each<[string, MessageInitShape<typeof CorrectUsageRequestSchema>, string]>([
    ["of several attempts without saying which", { usage: { inputTokens: 1 } }, "attempt"],
    ["of an attempt that was left out", { attempt: 1, usage: { inputTokens: 1 } }, "attempt"],
    ["of an attempt that is not there", { attempt: 9 }, "attempt"],
  ])("%s is refused", (_, request, field) => {
    expect(refusalOf(request)).toEqual({ reason: ErrorReason.INVALID_REQUEST, fields: [field] });
  });

  it("of a call that reached no provider is refused", () => {
    const rejected = create(UsageEventSchema, { eventId: "rejected" });
    expect(refusalOf({ usage: { inputTokens: 1 } }, rejected).fields).toEqual(["event_id"]);
  });

  it.each<[string, MessageInitShape<typeof UsageSchema>, string]>([
    ["a count below zero", { inputTokens: -1 }, "usage.input_tokens"],
    ["a count past all reason", { inputTokens: 100_000_001 }, "usage.input_tokens"],
    ["more reasoning than output", { reasoningOutputTokens: 31 }, "usage.reasoning_output_tokens"],
    ["less output than the reasoning that stays", { outputTokens: 9 }, "usage.reasoning_output_tokens"],
    ["more cached than came in", { cacheReadInputTokens: 81 }, "usage.cache_read_input_tokens"],
    ["a split that does not add up", { cacheWrites: [{ inputTokens: 19 }] }, "usage.cache_writes"],
    [
      "a split with less than nothing",
      { cacheWrites: [{ inputTokens: 21 }, { inputTokens: -1 }] },
      "usage.cache_writes",
    ],
    ["a tool call less than none", { providerToolCalls: { web_search: -1 } }, "usage.provider_tool_calls"],
    ["a tool without a name", { providerToolCalls: { "": 1 } }, "usage.provider_tool_calls"],
    ["audio of less than no time", { inputAudioDuration: { seconds: -1n } }, "usage.input_audio_duration"],
  ])("with %s is refused", (_, usage, field) => {
    expect(refusalOf({ attempt: 3, usage }).fields).toContain(field);
  });
});
