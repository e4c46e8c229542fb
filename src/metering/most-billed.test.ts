// What is reserved before a call is what the provider may bill for it, whatever it turns out to have been.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Meter, type Price, PriceSchema, type Usage, UsageSchema } from "../contract.ts";
import { type MostConsumed, mostBilled } from "./most-billed.ts";
import { priceWithTariff } from "./price.ts";
import { compileTariff } from "./tariff.ts";

const meters = [
  Meter.INPUT_TOKENS,
  Meter.CACHE_READ_INPUT_TOKENS,
  Meter.CACHE_WRITE_INPUT_TOKENS,
  Meter.AUDIO_INPUT_TOKENS,
  Meter.IMAGE_INPUT_TOKENS,
  Meter.OUTPUT_TOKENS,
  Meter.AUDIO_OUTPUT_TOKENS,
  Meter.IMAGE_OUTPUT_TOKENS,
  Meter.PROVIDER_TOOL_CALLS,
  Meter.REQUESTS,
  Meter.IMAGES,
  Meter.CHARACTERS,
  Meter.SEARCH_UNITS,
  Meter.AUDIO_MILLISECONDS,
] as const;

const priceLists = fc
  .array(
    fc.record({
      meter: fc.constantFrom(...meters),
      nanoUsdPerMillion: fc.oneof(fc.bigInt({ min: 0n, max: 2_000_000n }), fc.bigInt({ min: 0n, max: 10n ** 12n })),
      above: fc.option(fc.nat({ max: 300 }), { nil: undefined }),
      ttl: fc.constantFrom(undefined, 300n, 3600n),
      tool: fc.constantFrom("", "web_search", "file_search"),
    }),
    { maxLength: 24 },
  )
  .map((rows): Price[] => [
    // Without these hardly any list would price a whole call.
    ...[Meter.INPUT_TOKENS, Meter.OUTPUT_TOKENS, Meter.PROVIDER_TOOL_CALLS].map((meter) => price(meter, 1_500_000)),
    ...rows.map(({ meter, nanoUsdPerMillion, above, ttl, tool }) =>
      create(PriceSchema, {
        meter,
        nanoUsdPerMillion,
        ...(above === undefined ? {} : { aboveInputTokens: above }),
        ...(ttl === undefined || meter !== Meter.CACHE_WRITE_INPUT_TOKENS ? {} : { cacheTtl: { seconds: ttl } }),
        tool: meter === Meter.PROVIDER_TOOL_CALLS ? tool : "",
      }),
    ),
  ]);

/** Tokens and searches of a call that was allowed so many, in whatever kinds the provider says. */
const calls = fc
  .record({
    asksForCache: fc.boolean(),
    hasMedia: fc.boolean(),
    makesMedia: fc.boolean(),
    inputMost: fc.nat({ max: 1_000 }),
    outputMost: fc.nat({ max: 1_000 }),
    toolCalls: fc.nat({ max: 5 }),
    other: fc.nat({ max: 100 }),
    shares: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 10, maxLength: 10 }),
  })
  .map((call) => ({ most: toMost(call), usage: toUsage(call) }));

type Call = {
  readonly asksForCache: boolean;
  readonly hasMedia: boolean;
  readonly makesMedia: boolean;
  readonly inputMost: number;
  readonly outputMost: number;
  readonly toolCalls: number;
  readonly other: number;
  readonly shares: readonly number[];
};

function toMost({ inputMost, outputMost, other, ...kinds }: Call): MostConsumed {
  const usage = { inputTokens: inputMost, outputTokens: outputMost, ...otherUnits(other) };
  return { ...kinds, usage: create(UsageSchema, usage) };
}

function otherUnits(other: number): MessageInitShape<typeof UsageSchema> {
  if (other === 0) return {};
  return { generatedImages: other, inputCharacters: other, searchUnits: other, outputAudioDuration: { seconds: 1n } };
}

function toUsage(call: Call): Usage {
  const share = (index: number, of: number) => Math.floor((call.shares[index] ?? 0) * of);
  const inputTokens = share(0, call.inputMost) === 0 ? call.inputMost : share(0, call.inputMost);
  const read = share(1, inputTokens);
  const written = share(2, inputTokens - read);
  const short = call.asksForCache ? share(3, written) : 0;
  const long = call.asksForCache ? share(4, written - short) : 0;
  const outputTokens = share(5, call.outputMost);
  const searches = share(6, call.toolCalls);
  return create(UsageSchema, {
    inputTokens,
    cacheReadInputTokens: read,
    cacheWriteInputTokens: written,
    cacheWrites: [
      { ttl: { seconds: 300n }, inputTokens: short },
      { ttl: { seconds: 3600n }, inputTokens: long },
    ],
    audioInputTokens: call.hasMedia ? share(7, inputTokens) : 0,
    imageInputTokens: call.hasMedia ? share(8, inputTokens) : 0,
    outputTokens,
    audioOutputTokens: call.makesMedia ? share(9, outputTokens) : 0,
    imageOutputTokens: call.makesMedia ? share(8, outputTokens) : 0,
    providerToolCalls: { web_search: searches, file_search: call.toolCalls - searches },
    ...otherUnits(call.other),
  });
}

describe("what is reserved for a call", () => {
  it("covers every bill of a call within its bounds, whatever its tokens turn out to be", () => {
    let covered = 0;
    fc.assert(
      fc.property(calls, priceLists, ({ most, usage }, prices) => {
        const tariff = compileTariff(prices, "test", "");
        const reserved = mostBilled(tariff, most);
        if (reserved === undefined) return;
        covered++;
        expect(priceWithTariff(usage, tariff).totalNanoUsd).toBeLessThanOrEqual(reserved);
      }),
      { numRuns: 5_000 },
    );
    expect(covered).toBeGreaterThan(1_000);
  });

  it("is not known when a unit has no price", () => {
    const most = toMost({ ...plain, inputMost: 10, outputMost: 10 });
    expect(mostBilled(compileTariff([price(Meter.INPUT_TOKENS, 1)], "test", ""), most)).toBeUndefined();
  });

  it.each<[string, Partial<Call>, bigint]>([
    ["plain text: input at the price of a cache write that nobody asks for", {}, 1_250n + 10_000n],
    ["a cache that is asked for: input at the dearest time to live", { asksForCache: true }, 2_000n + 10_000n],
    ["media: input at the dearest modality", { hasMedia: true }, 7_000n + 10_000n],
    ["media to be made", { makesMedia: true }, 1_250n + 30_000n],
    ["long context: at the prices above its threshold", { inputMost: 2_000 }, 10_000n + 20_000n],
    ["tools of the provider", { toolCalls: 3 }, 1_250n + 10_000n + 300n],
  ])("takes %s", (_, changes, least) => {
    const tariff = compileTariff(
      [
        price(Meter.INPUT_TOKENS, 1_000_000),
        price(Meter.INPUT_TOKENS, 5_000_000, { aboveInputTokens: 1_500 }),
        price(Meter.CACHE_READ_INPUT_TOKENS, 100_000),
        price(Meter.CACHE_WRITE_INPUT_TOKENS, 1_250_000),
        price(Meter.CACHE_WRITE_INPUT_TOKENS, 2_000_000, { cacheTtl: { seconds: 3600n } }),
        price(Meter.AUDIO_INPUT_TOKENS, 7_000_000),
        price(Meter.OUTPUT_TOKENS, 10_000_000),
        price(Meter.OUTPUT_TOKENS, 20_000_000, { aboveInputTokens: 1_500 }),
        price(Meter.IMAGE_OUTPUT_TOKENS, 30_000_000),
        price(Meter.PROVIDER_TOOL_CALLS, 100_000_000, { tool: "web_search" }),
      ],
      "test",
      "",
    );
    const reserved = mostBilled(tariff, toMost({ ...plain, inputMost: 1_000, outputMost: 1_000, ...changes })) ?? 0n;
    expect(reserved).toBeGreaterThanOrEqual(least);
    expect(reserved).toBeLessThan(least + 10n);
  });
});

const plain: Call = {
  asksForCache: false,
  hasMedia: false,
  makesMedia: false,
  inputMost: 0,
  outputMost: 0,
  toolCalls: 0,
  other: 0,
  shares: [],
};

function price(meter: Meter, perMillion: number, rest: MessageInitShape<typeof PriceSchema> = {}): Price {
  return create(PriceSchema, { meter, nanoUsdPerMillion: BigInt(perMillion), ...rest });
}
