import { create } from "@bufbuild/protobuf";
import { type Usage, UsageSchema, UsageSource } from "../../contract.ts";
import { asArray, asObject, type JsonRecord } from "../../wire/json.ts";
import { toTokenCount } from "../token-count.ts";

/**
 * `usageMetadata` (ai.google.dev/api/generate-content#UsageMetadata). The prompt's count includes what was cached but not
 * what tools added; the candidates' count leaves out the thoughts. The contract's counts are inclusive. `undefined` when
 * no count came at all; `searches` is the number of searches that grounded the answer.
 */
export function toUsage(raw: JsonRecord, searches: number): Usage | undefined {
  const prompt = toTokenCount(raw["promptTokenCount"]);
  const output = toOutput(raw, prompt);
  if (prompt === undefined && output === undefined) return undefined;
  const tool = toTokenCount(raw["toolUsePromptTokenCount"]);
  const known = {
    inputTokens: prompt === undefined ? undefined : prompt + (tool ?? 0),
    outputTokens: output,
    cacheReadInputTokens: toTokenCount(raw["cachedContentTokenCount"]),
    reasoningOutputTokens: toTokenCount(raw["thoughtsTokenCount"]),
    toolInputTokens: tool,
    audioInputTokens: ofModality(raw["promptTokensDetails"], "AUDIO"),
    imageInputTokens: ofModality(raw["promptTokensDetails"], "IMAGE"),
    videoInputTokens: ofModality(raw["promptTokensDetails"], "VIDEO"),
    documentInputTokens: ofModality(raw["promptTokensDetails"], "DOCUMENT"),
    audioOutputTokens: ofModality(raw["candidatesTokensDetails"], "AUDIO"),
    imageOutputTokens: ofModality(raw["candidatesTokensDetails"], "IMAGE"),
  };
  const counts = Object.fromEntries(Object.entries(known).filter(([, count]) => count !== undefined));
  const providerToolCalls = searches > 0 ? { web_search: searches } : {};
  return create(UsageSchema, { ...counts, providerToolCalls, source: UsageSource.PROVIDER });
}

/** Early chunks, and answers of thoughts alone, have no count of candidates; the total may still tell. */
function toOutput(raw: JsonRecord, prompt: number | undefined): number | undefined {
  const candidates = toTokenCount(raw["candidatesTokenCount"]);
  const thoughts = toTokenCount(raw["thoughtsTokenCount"]);
  if (candidates !== undefined || thoughts !== undefined) return (candidates ?? 0) + (thoughts ?? 0);
  const total = toTokenCount(raw["totalTokenCount"]);
  if (total === undefined || prompt === undefined) return undefined;
  return toTokenCount(total - prompt - (toTokenCount(raw["toolUsePromptTokenCount"]) ?? 0));
}

function ofModality(details: unknown, modality: string): number | undefined {
  const rows = (asArray(details) ?? []).map(asObject).filter((row) => row?.["modality"] === modality);
  const counts = rows.map((row) => toTokenCount(row?.["tokenCount"]) ?? 0);
  return counts.length === 0 ? undefined : counts.reduce((sum, count) => sum + count, 0);
}
