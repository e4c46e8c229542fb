// Bills computed by hand from the providers' published rules. Every amount is written as the sum that a reader can check
// with the price page open: tokens × USD per million, in nano-USD. The code must match to the nano-dollar.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { createCatalogue } from "../catalogue/create-catalogue.ts";
import { UsageSchema } from "../contract.ts";

type Bill = {
  readonly what: string;
  readonly provider: string;
  readonly model: string;
  readonly tier?: string;
  /** Default 2026-11-24. */
  readonly at?: string;
  readonly usage: MessageInitShape<typeof UsageSchema>;
  readonly nanoUsd: bigint;
  readonly incomplete?: true;
};

const catalogue = createCatalogue({ overrides: [] });

function check(bills: readonly Bill[]): void {
  it.each(bills.map((bill) => [`${bill.model}: ${bill.what}`, bill] as const))("%s", (_, bill) => {
    const cost = catalogue.price(create(UsageSchema, bill.usage), {
      providerId: bill.provider,
      providerName: bill.provider,
      model: bill.model,
      projectId: "search",
      serviceTier: bill.tier ?? "",
      atMs: Date.parse(`${bill.at ?? "2026-11-24"}T12:00:00Z`),
    });
    expect(cost.totalNanoUsd).toBe(bill.nanoUsd);
    expect(cost.incomplete).toBe(bill.incomplete ?? false);
    expect(cost.items.reduce((sum, item) => sum + item.amountNanoUsd, 0n)).toBe(cost.totalNanoUsd);
  });
}

const minutes5 = { seconds: 300n, nanos: 0 };
const hour = { seconds: 3600n, nanos: 0 };

// https://platform.openai.com/docs/pricing: input_tokens includes cached_tokens, which cost the cached price instead.
describe("OpenAI", () => {
  const provider = "openai";
  check([
    {
      what: "one input token",
      provider,
      model: "gpt-4.1-mini",
      usage: { inputTokens: 1, outputTokens: 0 },
      nanoUsd: 400n,
    },
    {
      what: "one output token",
      provider,
      model: "gpt-4.1-mini",
      usage: { inputTokens: 0, outputTokens: 1 },
      nanoUsd: 1_600n,
    },
    {
      what: "1,000 × $0.40 + 200 × $1.60",
      provider,
      model: "gpt-4.1-mini",
      usage: { inputTokens: 1_000, outputTokens: 200 },
      nanoUsd: 400_000n + 320_000n,
    },
    {
      what: "700 × $0.40 + 300 cached × $0.10 + 200 × $1.60",
      provider,
      model: "gpt-4.1-mini",
      usage: { inputTokens: 1_000, cacheReadInputTokens: 300, outputTokens: 200 },
      nanoUsd: 280_000n + 30_000n + 320_000n,
    },
    {
      what: "everything cached",
      provider,
      model: "gpt-4.1-mini",
      usage: { inputTokens: 4_096, cacheReadInputTokens: 4_096, outputTokens: 1 },
      nanoUsd: 409_600n + 1_600n,
    },
    {
      what: "a dated snapshot costs what the model costs",
      provider,
      model: "gpt-4.1-mini-2025-04-14",
      usage: { inputTokens: 1_000, outputTokens: 200 },
      nanoUsd: 720_000n,
    },
    {
      what: "1,000 × $2.50 + 500 × $10",
      provider,
      model: "gpt-4o",
      usage: { inputTokens: 1_000, outputTokens: 500 },
      nanoUsd: 2_500_000n + 5_000_000n,
    },
    {
      what: "cached at half the price",
      provider,
      model: "gpt-4o",
      usage: { inputTokens: 2_048, cacheReadInputTokens: 1_024, outputTokens: 10 },
      nanoUsd: 1_024n * 2_500n + 1_024n * 1_250n + 10n * 10_000n,
    },
    {
      what: "small fractions are exact: 7 × $0.15 + 3 × $0.60",
      provider,
      model: "gpt-4o-mini",
      usage: { inputTokens: 7, outputTokens: 3 },
      nanoUsd: 1_050n + 1_800n,
    },
    {
      what: "reasoning is output and is billed once",
      provider,
      model: "gpt-5",
      usage: { inputTokens: 100, outputTokens: 1_500, reasoningOutputTokens: 1_200 },
      nanoUsd: 125_000n + 15_000_000n,
    },
    {
      what: "cached at a tenth: 1,000 × $1.25 + 9,000 × $0.125 + 50 × $10",
      provider,
      model: "gpt-5",
      usage: { inputTokens: 10_000, cacheReadInputTokens: 9_000, outputTokens: 50 },
      nanoUsd: 1_250_000n + 1_125_000n + 500_000n,
    },
    {
      what: "flex is half",
      provider,
      model: "gpt-5",
      tier: "flex",
      usage: { inputTokens: 10_000, cacheReadInputTokens: 9_000, outputTokens: 50 },
      nanoUsd: 625_000n + 562_500n + 250_000n,
    },
    {
      what: "batch is half",
      provider,
      model: "gpt-4.1-mini",
      tier: "batch",
      usage: { inputTokens: 1_000, outputTokens: 200 },
      nanoUsd: 200_000n + 160_000n,
    },
    {
      what: "priority is 2.50 and 20 dollars, cached 0.25",
      provider,
      model: "gpt-5",
      tier: "priority",
      usage: { inputTokens: 10_000, cacheReadInputTokens: 9_000, outputTokens: 50 },
      nanoUsd: 2_500_000n + 2_250_000n + 1_000_000n,
    },
    {
      what: "priority is 0.45 and 3.60 dollars",
      provider,
      model: "gpt-5-mini",
      tier: "priority",
      usage: { inputTokens: 1_000, outputTokens: 1_000 },
      nanoUsd: 450_000n + 3_600_000n,
    },
    {
      what: "priority is 3.50 and 14 dollars",
      provider,
      model: "gpt-4.1",
      tier: "priority",
      usage: { inputTokens: 1_000, outputTokens: 1_000 },
      nanoUsd: 3_500_000n + 14_000_000n,
    },
    {
      what: "priority is 0.25 and 1 dollar, cached 0.125",
      provider,
      model: "gpt-4o-mini",
      tier: "priority",
      usage: { inputTokens: 2_000, cacheReadInputTokens: 1_000, outputTokens: 1_000 },
      nanoUsd: 250_000n + 125_000n + 1_000_000n,
    },
    {
      what: "priority is 4.25 and 17 dollars",
      provider,
      model: "gpt-4o",
      tier: "priority",
      usage: { inputTokens: 1_000, outputTokens: 1_000 },
      nanoUsd: 4_250_000n + 17_000_000n,
    },
    {
      what: "priority is 2 and 8 dollars, cached 0.50",
      provider,
      model: "o4-mini",
      tier: "priority",
      usage: { inputTokens: 2_000, cacheReadInputTokens: 1_000, outputTokens: 1_000 },
      nanoUsd: 2_000_000n + 500_000n + 8_000_000n,
    },
    {
      what: "the tier called default is the standard price",
      provider,
      model: "gpt-4.1-mini",
      tier: "default",
      usage: { inputTokens: 1_000, outputTokens: 200 },
      nanoUsd: 720_000n,
    },
    {
      what: "a tier whose price nobody published makes the cost incomplete",
      provider,
      model: "gpt-4.1-mini",
      tier: "scale",
      usage: { inputTokens: 1_000, outputTokens: 200 },
      nanoUsd: 720_000n,
      incomplete: true,
    },
    {
      what: "web search is $10 per 1,000 calls",
      provider,
      model: "gpt-4.1-mini",
      usage: { inputTokens: 0, outputTokens: 0, providerToolCalls: { web_search: 3 } },
      nanoUsd: 30_000_000n,
    },
    {
      what: "file search is $2.50 per 1,000 calls",
      provider,
      model: "gpt-4.1-mini",
      usage: { inputTokens: 0, outputTokens: 0, providerToolCalls: { file_search: 2 } },
      nanoUsd: 5_000_000n,
    },
    {
      what: "tools cost the same under flex",
      provider,
      model: "gpt-5",
      tier: "flex",
      usage: { inputTokens: 1_000, outputTokens: 0, providerToolCalls: { web_search: 1 } },
      nanoUsd: 625_000n + 10_000_000n,
    },
    {
      what: "a tool without a price makes the cost incomplete",
      provider,
      model: "gpt-4.1-mini",
      usage: { inputTokens: 1_000, outputTokens: 0, providerToolCalls: { shell: 1 } },
      nanoUsd: 400_000n,
      incomplete: true,
    },
    {
      what: "$10 before 2025-06-10",
      provider,
      model: "o3",
      at: "2025-06-09",
      usage: { inputTokens: 1_000, outputTokens: 100 },
      nanoUsd: 10_000_000n + 4_000_000n,
    },
    {
      what: "$2 from 2025-06-10 on",
      provider,
      model: "o3",
      at: "2025-06-10",
      usage: { inputTokens: 1_000, outputTokens: 100 },
      nanoUsd: 2_000_000n + 800_000n,
    },
    {
      what: "speech is $0.36 an hour",
      provider,
      model: "whisper-1",
      usage: { inputAudioDuration: hour },
      nanoUsd: 360_000_000n,
    },
    {
      what: "90.5 seconds of speech, half away from zero",
      provider,
      model: "whisper-1",
      usage: { inputAudioDuration: { seconds: 90n, nanos: 500_000_000 } },
      nanoUsd: 9_050_000n,
    },
    {
      what: "long context begins above 272,000 tokens: at 271,999 not yet",
      provider,
      model: "gpt-5.6-sol",
      at: "2026-07-01",
      usage: { inputTokens: 271_999, outputTokens: 0 },
      nanoUsd: 1_359_995_000n,
    },
    {
      what: "long context at 272,000 tokens: all at $10, and the output at $45",
      provider,
      model: "gpt-5.6-sol",
      at: "2026-07-01",
      usage: { inputTokens: 272_000, outputTokens: 100 },
      nanoUsd: 2_720_000_000n + 4_500_000n,
    },
    {
      what: "an unknown model has no price",
      provider,
      model: "gpt-unheard-of",
      usage: { inputTokens: 1_000, outputTokens: 200 },
      nanoUsd: 0n,
      incomplete: true,
    },
    {
      what: "an unknown count of output is not free",
      provider,
      model: "gpt-4.1-mini",
      usage: { inputTokens: 1_000 },
      nanoUsd: 400_000n,
      incomplete: true,
    },
  ]);
});

// https://platform.claude.com/docs/en/build-with-claude/prompt-caching#pricing: writes 1.25 × (5 minutes) and 2 × (1 hour)
// the input price, reads 0.1 ×. The contract's input is Anthropic's input_tokens + cache reads + cache writes.
describe("Anthropic", () => {
  const provider = "anthropic";
  const model = "claude-haiku-4-5";
  check([
    {
      what: "1,000 × $1 + 100 × $5",
      provider,
      model,
      usage: { inputTokens: 1_000, outputTokens: 100 },
      nanoUsd: 1_500_000n,
    },
    {
      what: "reads at $0.10",
      provider,
      model,
      usage: { inputTokens: 10_000, cacheReadInputTokens: 9_000, outputTokens: 100 },
      nanoUsd: 1_000_000n + 900_000n + 500_000n,
    },
    {
      what: "writes for five minutes at $1.25",
      provider,
      model,
      usage: {
        inputTokens: 10_000,
        cacheWriteInputTokens: 8_000,
        cacheWrites: [{ ttl: minutes5, inputTokens: 8_000 }],
        outputTokens: 100,
      },
      nanoUsd: 2_000_000n + 10_000_000n + 500_000n,
    },
    {
      what: "writes for an hour at $2",
      provider,
      model,
      usage: {
        inputTokens: 10_000,
        cacheWriteInputTokens: 8_000,
        cacheWrites: [{ ttl: hour, inputTokens: 8_000 }],
        outputTokens: 100,
      },
      nanoUsd: 2_000_000n + 16_000_000n + 500_000n,
    },
    {
      what: "writes of both kinds beside reads",
      provider,
      model,
      usage: {
        inputTokens: 10_000,
        cacheReadInputTokens: 5_000,
        cacheWriteInputTokens: 3_000,
        cacheWrites: [
          { ttl: minutes5, inputTokens: 1_000 },
          { ttl: hour, inputTokens: 2_000 },
        ],
        outputTokens: 100,
      },
      nanoUsd: 2_000_000n + 500_000n + 1_250_000n + 4_000_000n + 500_000n,
    },
    {
      what: "writes whose lifetime is not told cost what five minutes cost",
      provider,
      model,
      usage: { inputTokens: 1_000, cacheWriteInputTokens: 1_000, outputTokens: 0 },
      nanoUsd: 1_250_000n,
    },
    {
      what: "batch halves cache prices too",
      provider,
      model,
      tier: "batch",
      usage: {
        inputTokens: 10_000,
        cacheReadInputTokens: 5_000,
        cacheWriteInputTokens: 3_000,
        cacheWrites: [{ ttl: hour, inputTokens: 3_000 }],
        outputTokens: 100,
      },
      nanoUsd: 1_000_000n + 250_000n + 3_000_000n + 250_000n,
    },
    {
      what: "a dated name",
      provider,
      model: "claude-haiku-4-5-20251001",
      usage: { inputTokens: 1_000, outputTokens: 100 },
      nanoUsd: 1_500_000n,
    },
    {
      what: "web search is $10 per 1,000",
      provider,
      model,
      usage: { inputTokens: 0, outputTokens: 0, providerToolCalls: { web_search: 7 } },
      nanoUsd: 70_000_000n,
    },
    {
      what: "the standard tier",
      provider,
      model,
      tier: "standard",
      usage: { inputTokens: 1_000, outputTokens: 100 },
      nanoUsd: 1_500_000n,
    },
    {
      what: "priority is by contract, so incomplete",
      provider,
      model,
      tier: "priority",
      usage: { inputTokens: 1_000, outputTokens: 100 },
      nanoUsd: 1_500_000n,
      incomplete: true,
    },
    {
      what: "200,000 tokens are not long context",
      provider,
      model: "claude-sonnet-4-5",
      usage: { inputTokens: 200_000, outputTokens: 100 },
      nanoUsd: 600_000_000n + 1_500_000n,
    },
    {
      what: "200,001 tokens are, for every meter",
      provider,
      model: "claude-sonnet-4-5",
      usage: {
        inputTokens: 200_001,
        cacheReadInputTokens: 100_000,
        cacheWriteInputTokens: 50_000,
        cacheWrites: [{ ttl: minutes5, inputTokens: 50_000 }],
        outputTokens: 100,
      },
      nanoUsd: 50_001n * 6_000n + 100_000n * 600n + 50_000n * 7_500n + 100n * 22_500n,
    },
    {
      what: "long context was dearer before 2026-03-13",
      provider,
      model: "claude-opus-4-6",
      at: "2026-03-12",
      usage: { inputTokens: 300_000, outputTokens: 1_000 },
      nanoUsd: 3_000_000_000n + 37_500_000n,
    },
    {
      what: "and is not since",
      provider,
      model: "claude-opus-4-6",
      at: "2026-03-13",
      usage: { inputTokens: 300_000, outputTokens: 1_000 },
      nanoUsd: 1_500_000_000n + 25_000_000n,
    },
  ]);
});

// https://ai.google.dev/gemini-api/docs/pricing: prompts over 200,000 tokens cost more in whole; thoughts are output.
describe("Gemini", () => {
  const provider = "gcp.gemini";
  check([
    {
      what: "1,000 × $1.25 + 500 × $10",
      provider,
      model: "gemini-2.5-pro",
      usage: { inputTokens: 1_000, outputTokens: 500 },
      nanoUsd: 1_250_000n + 5_000_000n,
    },
    {
      what: "200,000 tokens at the short price",
      provider,
      model: "gemini-2.5-pro",
      usage: { inputTokens: 200_000, outputTokens: 500 },
      nanoUsd: 250_000_000n + 5_000_000n,
    },
    {
      what: "200,001 tokens at the long price, output too",
      provider,
      model: "gemini-2.5-pro",
      usage: { inputTokens: 200_001, outputTokens: 500 },
      nanoUsd: 500_002_500n + 7_500_000n,
    },
    {
      what: "cached tokens count towards the threshold and cost their long price",
      provider,
      model: "gemini-2.5-pro",
      usage: { inputTokens: 250_000, cacheReadInputTokens: 200_000, outputTokens: 0 },
      nanoUsd: 125_000_000n + 50_000_000n,
    },
    {
      what: "batch halves the long price",
      provider,
      model: "gemini-2.5-pro",
      tier: "batch",
      usage: { inputTokens: 250_000, outputTokens: 1_000 },
      nanoUsd: 312_500_000n + 7_500_000n,
    },
    {
      what: "thoughts are output",
      provider,
      model: "gemini-2.5-pro",
      usage: { inputTokens: 10, outputTokens: 1_000, reasoningOutputTokens: 900 },
      nanoUsd: 12_500n + 10_000_000n,
    },
    {
      what: "audio at its own price: 200 × $0.30 + 800 × $1",
      provider,
      model: "gemini-2.5-flash",
      usage: { inputTokens: 1_000, audioInputTokens: 800, outputTokens: 100 },
      nanoUsd: 60_000n + 800_000n + 250_000n,
    },
    {
      what: "images in are plain input: they have no price of their own",
      provider,
      model: "gemini-2.5-flash",
      usage: { inputTokens: 1_000, imageInputTokens: 516, outputTokens: 100 },
      nanoUsd: 300_000n + 250_000n,
    },
    {
      what: "an image out is 1,290 tokens at $30: $0.0387",
      provider,
      model: "gemini-2.5-flash-image",
      usage: { inputTokens: 10, outputTokens: 1_290, imageOutputTokens: 1_290, generatedImages: 1 },
      nanoUsd: 3_000n + 38_700_000n,
    },
    {
      what: "an image out with text beside it",
      provider,
      model: "gemini-2.5-flash-image",
      usage: { inputTokens: 10, outputTokens: 1_390, imageOutputTokens: 1_290 },
      nanoUsd: 3_000n + 38_700_000n + 250_000n,
    },
    {
      what: "Vertex sells Claude at Anthropic's price",
      provider: "gcp.vertex_ai",
      model: "claude-haiku-4-5@20251001",
      usage: { inputTokens: 1_000, outputTokens: 100 },
      nanoUsd: 1_500_000n,
    },
  ]);
});

describe("Bedrock, Azure and the rest", () => {
  check([
    {
      what: "the global profile costs Anthropic's price",
      provider: "aws.bedrock",
      model: "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
      usage: { inputTokens: 1_000, outputTokens: 100 },
      nanoUsd: 3_000_000n + 1_500_000n,
    },
    {
      what: "a regional profile costs a tenth more",
      provider: "aws.bedrock",
      model: "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
      usage: { inputTokens: 1_000, cacheReadInputTokens: 500, outputTokens: 100 },
      nanoUsd: 1_650_000n + 165_000n + 1_650_000n,
    },
    {
      what: "an hour in the cache is twice the input price",
      provider: "aws.bedrock",
      model: "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
      usage: {
        inputTokens: 1_000,
        cacheWriteInputTokens: 1_000,
        cacheWrites: [{ ttl: hour, inputTokens: 1_000 }],
        outputTokens: 0,
      },
      nanoUsd: 6_000_000n,
    },
    {
      what: "batch is half",
      provider: "aws.bedrock",
      model: "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
      tier: "batch",
      usage: { inputTokens: 1_000, outputTokens: 100 },
      nanoUsd: 1_500_000n + 750_000n,
    },
    {
      what: "Azure costs OpenAI's price",
      provider: "azure.ai.openai",
      model: "gpt-4.1-mini",
      usage: { inputTokens: 1_000, cacheReadInputTokens: 300, outputTokens: 200 },
      nanoUsd: 630_000n,
    },
    {
      what: "$12 per 1,000 requests beside the tokens",
      provider: "perplexity",
      model: "sonar",
      usage: { inputTokens: 100, outputTokens: 400 },
      nanoUsd: 100_000n + 400_000n + 12_000_000n,
    },
    {
      what: "$0.111 an hour, to the nano-dollar",
      provider: "groq",
      model: "whisper-large-v3",
      usage: { inputAudioDuration: hour },
      nanoUsd: 110_999_999n, // 3,600,000 ms × 30,833,333 nano-USD per million: the price is an integer first.
    },
    {
      what: "the dear hours of the day",
      provider: "deepseek",
      model: "deepseek-chat",
      at: "2025-06-01",
      usage: { inputTokens: 1_000, cacheReadInputTokens: 400, outputTokens: 100 },
      nanoUsd: 600n * 270n + 400n * 70n + 100n * 1_100n,
    },
    {
      what: "prices in decimals of a cent: 1,000,000 × $0.0028",
      provider: "deepseek",
      model: "deepseek-v4-flash",
      at: "2026-08-01",
      usage: { inputTokens: 1_000_000, cacheReadInputTokens: 1_000_000, outputTokens: 0 },
      nanoUsd: 2_800_000n,
    },
    {
      what: "the simulator's made-up price",
      provider: "simulator",
      model: "sim-small",
      usage: { inputTokens: 1_000, outputTokens: 100 },
      nanoUsd: 400_000n + 160_000n,
    },
    {
      what: "a provider without a list",
      provider: "local",
      model: "llama-3.1-8b-instruct",
      usage: { inputTokens: 1_000, outputTokens: 100 },
      nanoUsd: 0n,
      incomplete: true,
    },
  ]);
});
