import { expect, it } from "vitest";
import type { Warning } from "../../contract.ts";
import { toReportedCostNanoUsd } from "./reported-cost.ts";
import { toUsage } from "./usage.ts";

it("adds reasoning that a server counts beside its output, by the total", () => {
  const raw = {
    prompt_tokens: 468,
    completion_tokens: 82,
    total_tokens: 870,
    completion_tokens_details: { reasoning_tokens: 320 },
  };
  expect(toUsage(raw, [])).toMatchObject({ inputTokens: 468, outputTokens: 402, reasoningOutputTokens: 320 });
});

it("leaves reasoning that the output includes as it is", () => {
  const raw = {
    prompt_tokens: 10,
    completion_tokens: 50,
    total_tokens: 60,
    completion_tokens_details: { reasoning_tokens: 40 },
  };
  expect(toUsage(raw, [])).toMatchObject({ outputTokens: 50, reasoningOutputTokens: 40 });
});

it.each([
  { prompt_tokens_details: { cached_tokens: 7 } },
  { prompt_cache_hit_tokens: 7, prompt_cache_miss_tokens: 3 },
  { cached_tokens: 7 },
  { num_cached_tokens: 7 },
  { cache_read_input_tokens: 7 },
])("finds cached tokens in %j", (fields) => {
  expect(toUsage({ prompt_tokens: 10, completion_tokens: 1, ...fields }, [])?.cacheReadInputTokens).toBe(7);
});

it("keeps unknown apart from zero", () => {
  const usage = toUsage(
    { prompt_tokens: 10, completion_tokens: 0, prompt_tokens_details: { cached_tokens: null } },
    [],
  );
  expect(usage).toMatchObject({ outputTokens: 0 });
  expect(usage?.cacheReadInputTokens).toBeUndefined();
  expect(usage?.reasoningOutputTokens).toBeUndefined();
  expect(toUsage({}, [])).toBeUndefined();
});

it.each([
  { prompt_tokens: -1, completion_tokens: 5 },
  { prompt_tokens: 1e12, completion_tokens: 5 },
  { prompt_tokens: 1.5, completion_tokens: 5 },
  { prompt_tokens: "7", completion_tokens: 5 },
])("ignores the count in %j and says so", (raw) => {
  const warnings: Warning[] = [];
  expect(toUsage(raw, warnings)?.inputTokens).toBeUndefined();
  expect(warnings).toHaveLength(1);
});

it("counts Anthropic's cache writes by time to live when they add up", () => {
  const cache_creation = { ephemeral_5m_input_tokens: 3, ephemeral_1h_input_tokens: 4 };
  const raw = { prompt_tokens: 10, completion_tokens: 1, cache_creation_input_tokens: 7, cache_creation };
  expect(toUsage(raw, [])?.cacheWrites.map(({ ttl, inputTokens }) => [ttl?.seconds, inputTokens])).toEqual([
    [300n, 3],
    [3600n, 4],
  ]);
});

it.each([
  [{ cost: 0.0001925 }, undefined, 192_500n],
  [{ cost: { total_cost: 0.00619 } }, undefined, 6_190_000n],
  [{ cost: 0.0001, is_byok: true, cost_details: { upstream_inference_cost: 0.002 } }, undefined, 2_100_000n],
  [{ cost: 0.002, is_byok: false, cost_details: { upstream_inference_cost: 0.002 } }, undefined, 2_000_000n],
  [{ cost_in_usd_ticks: 1_777_000 }, undefined, 177_700n],
  [undefined, { usd: 0.00010715625 }, 107_156n],
  [{ cost: -1 }, undefined, undefined],
  [{ cost: 1e9 }, undefined, undefined],
  [{}, undefined, undefined],
])("reads the cost that the server reports in %j and %j", (usage, topLevel, expected) => {
  expect(toReportedCostNanoUsd(usage, topLevel)).toBe(expected);
});
