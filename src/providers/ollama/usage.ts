import { create } from "@bufbuild/protobuf";
import { type Usage, UsageSchema, UsageSource } from "../../contract.ts";
import type { JsonRecord } from "../../wire/json.ts";
import { toTokenCount } from "../token-count.ts";

/**
 * Counts of the last line; `undefined` when it holds none. Servers before 0.3 leave out `prompt_eval_count` when the whole
 * prompt was cached: unknown, not zero.
 */
export function toUsage(end: JsonRecord): Usage | undefined {
  const inputTokens = toTokenCount(end["prompt_eval_count"]);
  const outputTokens = toTokenCount(end["eval_count"]);
  if (inputTokens === undefined && outputTokens === undefined) return undefined;
  const usage = create(UsageSchema, { source: UsageSource.PROVIDER });
  if (inputTokens !== undefined) usage.inputTokens = inputTokens;
  if (outputTokens !== undefined) usage.outputTokens = outputTokens;
  return usage;
}
