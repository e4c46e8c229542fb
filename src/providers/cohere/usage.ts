import { create } from "@bufbuild/protobuf";
import { type Usage, UsageSchema, UsageSource } from "../../contract.ts";
import { asObject, type JsonRecord } from "../../wire/json.ts";
import { toTokenCount } from "../token-count.ts";

/**
 * Counts of an answer; `undefined` when it holds none. Cohere counts twice: `tokens` with its own prompt around the
 * caller's, `billed_units` without it (65 of 508 in one recording). OpenTelemetry wants the billed ones where both are
 * known ("gen_ai.client.token.usage"), and so does whoever pays. Cached tokens are told of the first kind only, and cost
 * the same: they are passed on where they are a part of the billed ones.
 */
export function toUsage(raw: JsonRecord): Usage | undefined {
  const billed = asObject(raw["billed_units"]) ?? {};
  const tokens = asObject(raw["tokens"]) ?? {};
  const inputTokens = toTokenCount(billed["input_tokens"]) ?? toTokenCount(tokens["input_tokens"]);
  const outputTokens = toTokenCount(billed["output_tokens"]) ?? toTokenCount(tokens["output_tokens"]);
  if (inputTokens === undefined && outputTokens === undefined) return undefined;
  const usage = create(UsageSchema, { source: UsageSource.PROVIDER });
  const cacheReadInputTokens = within(raw["cached_tokens"], inputTokens);
  const imageInputTokens = within(tokens["image_tokens"], inputTokens);
  const reasoningOutputTokens = within(tokens["reasoning_tokens"], outputTokens);
  const searchUnits = toTokenCount(billed["search_units"]);
  if (inputTokens !== undefined) usage.inputTokens = inputTokens;
  if (outputTokens !== undefined) usage.outputTokens = outputTokens;
  if (cacheReadInputTokens !== undefined) usage.cacheReadInputTokens = cacheReadInputTokens;
  if (imageInputTokens !== undefined) usage.imageInputTokens = imageInputTokens;
  if (reasoningOutputTokens !== undefined) usage.reasoningOutputTokens = reasoningOutputTokens;
  if (searchUnits !== undefined) usage.searchUnits = searchUnits;
  return usage;
}

function within(part: unknown, whole: number | undefined): number | undefined {
  const count = toTokenCount(part);
  return count !== undefined && whole !== undefined && count <= whole ? count : undefined;
}
