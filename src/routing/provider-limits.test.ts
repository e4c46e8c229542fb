import { describe, expect, it } from "vitest";
import { ProviderLimits } from "./provider-limits.ts";

function openAi(remaining: string, reset: string, limit = "100"): Record<string, string> {
  return {
    "x-ratelimit-limit-requests": limit,
    "x-ratelimit-remaining-requests": remaining,
    "x-ratelimit-reset-requests": reset,
  };
}

describe("ProviderLimits", () => {
  it("knows nothing and holds nobody back before the first answer", () => {
    expect(new ProviderLimits().waitMs(1_000_000, 0)).toBe(0);
  });

  it("waits until the bucket refills by one request, not until it is full", () => {
    const limits = new ProviderLimits();
    limits.observe(openAi("0", "60s"), 0);
    expect(limits.waitMs(0, 0)).toBe(600); // 100 requests come back in 60 s.
    expect(limits.waitMs(0, 300)).toBe(300);
    expect(limits.waitMs(0, 600)).toBe(0);
  });

  it("counts its own calls until the provider speaks again", () => {
    const limits = new ProviderLimits();
    limits.observe(openAi("2", "98s"), 0);
    limits.take(10);
    expect(limits.waitMs(0, 0)).toBe(0);
    limits.take(10);
    expect(limits.waitMs(0, 0)).toBeGreaterThan(0);
    limits.observe(openAi("50", "50s"), 100);
    expect(limits.waitMs(0, 100)).toBe(0);
  });

  it("compares tokens with the size of the request", () => {
    const limits = new ProviderLimits();
    limits.observe(
      {
        "x-ratelimit-limit-tokens": "10000",
        "x-ratelimit-remaining-tokens": "500",
        "x-ratelimit-reset-tokens": "9.5s",
      },
      0,
    );
    expect(limits.waitMs(400, 0)).toBe(0);
    expect(limits.waitMs(1_500, 0)).toBe(1_000);
    expect(limits.remainingTokens).toBe(500);
  });

  it("reads Anthropic's headers, whose reset is a time of day", () => {
    const limits = new ProviderLimits();
    const nowMs = Date.parse("2026-11-24T10:00:00Z");
    limits.observe(
      {
        "anthropic-ratelimit-requests-limit": "50",
        "anthropic-ratelimit-requests-remaining": "0",
        "anthropic-ratelimit-requests-reset": "2026-11-24T10:00:50Z",
      },
      nowMs,
    );
    expect(limits.waitMs(0, nowMs)).toBe(1_000);
    expect(limits.remainingRequests).toBe(0);
  });

  it.each([
    ["1s", 1_000],
    ["12ms", 12],
    ["6m0s", 360_000],
    ["1h2m3.5s", 3_723_500],
    ["7.66s", 7_660],
    ["2", 2_000],
    ["soon", 1_000], // Not a duration: a short rest.
  ])("reads a reset of %s", (reset, expected) => {
    const limits = new ProviderLimits();
    limits.observe(openAi("0", reset, "1"), 0);
    expect(limits.waitMs(0, 0)).toBe(expected);
  });

  it("ignores headers that are no counts, and never waits for ever", () => {
    const limits = new ProviderLimits();
    limits.observe(openAi("-1", "1s"), 0);
    expect(limits.waitMs(0, 0)).toBe(0);
    limits.observe(openAi("0", "999999999s"), 0);
    expect(limits.waitMs(0, 86_400_000)).toBe(0);
  });

  it("lets a request through that is larger than the whole bucket, once the bucket is full", () => {
    const limits = new ProviderLimits();
    limits.observe(
      { "x-ratelimit-limit-tokens": "100", "x-ratelimit-remaining-tokens": "100", "x-ratelimit-reset-tokens": "1s" },
      0,
    );
    expect(limits.waitMs(5_000, 0)).toBe(0);
  });
});
