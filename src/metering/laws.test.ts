// The laws of usage and cost (contract.md, 12 to 14) over arbitrary usages and price lists.
import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Meter, type Price, PriceSchema, type Usage, UsageSchema, UsageSource } from "../contract.ts";
import { priceUsage, toAmountNanoUsd } from "./price.ts";
import { sumCost } from "./sum-cost.ts";
import { sumUsage } from "./sum-usage.ts";

const tokens = fc.nat({ max: 2_000_000 });

/** A usage as adapters make it: subsets within their total, the split of the writes adding up. */
const usages = fc
  .record({
    read: tokens,
    short: tokens,
    long: tokens,
    rest: tokens,
    audioShare: fc.double({ min: 0, max: 1, noNaN: true }),
    output: tokens,
    reasoningShare: fc.double({ min: 0, max: 1, noNaN: true }),
    searches: fc.nat({ max: 50 }),
    isOutputKnown: fc.boolean(),
    source: fc.constantFrom(UsageSource.PROVIDER, UsageSource.ESTIMATED),
  })
  .map((facts): Usage => {
    const inputTokens = facts.read + facts.short + facts.long + facts.rest;
    const known = {
      outputTokens: facts.output,
      reasoningOutputTokens: Math.floor(facts.output * facts.reasoningShare),
    };
    return create(UsageSchema, {
      inputTokens,
      cacheReadInputTokens: facts.read,
      cacheWriteInputTokens: facts.short + facts.long,
      cacheWrites: [
        { ttl: { seconds: 300n, nanos: 0 }, inputTokens: facts.short },
        { ttl: { seconds: 3600n, nanos: 0 }, inputTokens: facts.long },
      ],
      audioInputTokens: Math.floor(inputTokens * facts.audioShare),
      providerToolCalls: facts.searches === 0 ? {} : { web_search: facts.searches },
      source: facts.source,
      ...(facts.isOutputKnown ? known : {}),
    });
  });

const amount = fc.bigInt({ min: 0n, max: 100_000_000_000n });

const priceLists = fc.array(
  fc.record({
    meter: fc.constantFrom(
      Meter.INPUT_TOKENS,
      Meter.CACHE_READ_INPUT_TOKENS,
      Meter.CACHE_WRITE_INPUT_TOKENS,
      Meter.OUTPUT_TOKENS,
      Meter.AUDIO_INPUT_TOKENS,
      Meter.PROVIDER_TOOL_CALLS,
      Meter.REQUESTS,
    ),
    nanoUsdPerMillion: amount,
    aboveInputTokens: fc.option(tokens, { nil: undefined }),
  }),
  { maxLength: 12 },
);

function toPrices(
  rows: readonly { meter: Meter; nanoUsdPerMillion: bigint; aboveInputTokens: number | undefined }[],
): Price[] {
  return rows.map(({ aboveInputTokens, ...row }) =>
    create(PriceSchema, aboveInputTokens === undefined ? row : { ...row, aboveInputTokens }),
  );
}

const context = { serviceTier: "", priceListVersion: "test" };

describe("law 13, of one attempt", () => {
  it("bills every line at quantity × price rounded once, and the total is the sum of the lines", () => {
    fc.assert(
      fc.property(usages, priceLists, (usage, rows) => {
        const cost = priceUsage(usage, toPrices(rows), context);
        let total = 0n;
        for (const item of cost.items) {
          const twice = 2n * item.quantity * item.nanoUsdPerMillion;
          expect(item.amountNanoUsd).toBe((twice + 1_000_000n) / 2_000_000n);
          expect(item.quantity).toBeGreaterThan(0n);
          total += item.amountNanoUsd;
        }
        expect(cost.totalNanoUsd).toBe(total);
      }),
    );
  });

  it("bills each input token on exactly one line when every meter has a price", () => {
    const meters = [
      Meter.INPUT_TOKENS,
      Meter.CACHE_READ_INPUT_TOKENS,
      Meter.CACHE_WRITE_INPUT_TOKENS,
      Meter.AUDIO_INPUT_TOKENS,
      Meter.OUTPUT_TOKENS,
    ];
    const prices = meters.map((meter) => create(PriceSchema, { meter, nanoUsdPerMillion: 1_000_000n }));
    fc.assert(
      fc.property(usages, (usage) => {
        const { items } = priceUsage(usage, prices, context);
        const billed = items.filter((item) => item.meter !== Meter.OUTPUT_TOKENS);
        expect(billed.reduce((sum, item) => sum + item.quantity, 0n)).toBe(BigInt(usage.inputTokens ?? 0));
      }),
    );
  });

  it("never takes a consumed unit for free: without its price the cost is incomplete", () => {
    fc.assert(
      fc.property(usages, priceLists, (usage, rows) => {
        const { items, incomplete } = priceUsage(usage, toPrices(rows), context);
        const consumesReads = (usage.cacheReadInputTokens ?? 0) > 0;
        const billsReads = items.some((item) => item.meter === Meter.CACHE_READ_INPUT_TOKENS);
        if (consumesReads && !billsReads) expect(incomplete).toBe(true);
        const consumesTools = (usage.providerToolCalls["web_search"] ?? 0) > 0;
        const billsTools = items.some((item) => item.meter === Meter.PROVIDER_TOOL_CALLS);
        if (consumesTools && !billsTools) expect(incomplete).toBe(true);
      }),
    );
  });

  it("rounds half away from zero", () => {
    expect(toAmountNanoUsd(1n, 499_999n)).toBe(0n);
    expect(toAmountNanoUsd(1n, 500_000n)).toBe(1n);
    expect(toAmountNanoUsd(-1n, 500_000n)).toBe(-1n);
    expect(toAmountNanoUsd(3n, 500_000n)).toBe(2n);
  });
});

describe("law 13, over attempts", () => {
  it("keeps the total the sum of the attempts and every line rounded once", () => {
    fc.assert(
      fc.property(fc.array(usages, { minLength: 1, maxLength: 5 }), priceLists, (attempts, rows) => {
        const costs = attempts.map((usage) => priceUsage(usage, toPrices(rows), context));
        const sum = sumCost(costs);
        expect(sum?.totalNanoUsd).toBe(costs.reduce((total, cost) => total + cost.totalNanoUsd, 0n));
        expect(sum?.items.reduce((total, item) => total + item.amountNanoUsd, 0n)).toBe(sum?.totalNanoUsd);
        for (const item of sum?.items ?? []) {
          expect(item.amountNanoUsd).toBe(toAmountNanoUsd(item.quantity, item.nanoUsdPerMillion));
        }
        expect(sum?.incomplete).toBe(costs.some((cost) => cost.incomplete));
      }),
    );
  });

  it("is nothing known when no attempt cost anything known", () => {
    expect(sumCost([undefined, undefined])).toBeUndefined();
  });
});

describe("laws 12 and 14", () => {
  it("keeps subsets within their totals and the split of the writes adding up", () => {
    fc.assert(
      fc.property(fc.array(usages, { minLength: 1, maxLength: 5 }), (attempts) => {
        const sum = sumUsage(attempts);
        const writes = sum?.cacheWrites.reduce((total, write) => total + write.inputTokens, 0);
        expect(writes).toBe(sum?.cacheWriteInputTokens);
        expect((sum?.cacheReadInputTokens ?? 0) + (sum?.cacheWriteInputTokens ?? 0)).toBeLessThanOrEqual(
          sum?.inputTokens ?? 0,
        );
        expect(sum?.reasoningOutputTokens ?? 0).toBeLessThanOrEqual(sum?.outputTokens ?? 0);
      }),
    );
  });

  it("sums what is known, and leaves unknown what no attempt knows", () => {
    fc.assert(
      fc.property(fc.array(usages, { minLength: 1, maxLength: 5 }), (attempts) => {
        const known = attempts.filter((usage) => usage.outputTokens !== undefined);
        const expected = known.reduce((total, usage) => total + (usage.outputTokens ?? 0), 0);
        expect(sumUsage(attempts)?.outputTokens).toBe(known.length === 0 ? undefined : expected);
        expect(sumUsage(attempts)?.searchUnits).toBeUndefined();
      }),
    );
  });

  it("leaves the usages of the attempts as they are", () => {
    const usage = create(UsageSchema, {
      inputTokens: 1,
      cacheWrites: [{ inputTokens: 1 }],
      providerToolCalls: { a: 1 },
    });
    sumUsage([usage, usage]);
    expect(usage).toEqual(
      create(UsageSchema, { inputTokens: 1, cacheWrites: [{ inputTokens: 1 }], providerToolCalls: { a: 1 } }),
    );
  });

  it("says mixed when one attempt was counted and another estimated", () => {
    const counted = create(UsageSchema, { source: UsageSource.PROVIDER });
    const estimated = create(UsageSchema, { source: UsageSource.ESTIMATED });
    expect(sumUsage([counted, undefined, estimated])?.source).toBe(UsageSource.MIXED);
    expect(sumUsage([counted, undefined])?.source).toBe(UsageSource.PROVIDER);
    expect(sumUsage([undefined])).toBeUndefined();
  });

  it("adds durations with their carry", () => {
    const audio = create(UsageSchema, { inputAudioDuration: { seconds: 1n, nanos: 600_000_000 } });
    expect(sumUsage([audio, audio])?.inputAudioDuration).toMatchObject({ seconds: 3n, nanos: 200_000_000 });
  });
});
