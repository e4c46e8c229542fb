import { ReasoningEffort, type ReasoningOptions, ReasoningVisibility } from "../../contract.ts";
import type { JsonOutObject } from "../json-writer.ts";
import type { TranslationLog } from "../translation-log.ts";
import type { ModelTraits } from "./model-traits.ts";

/** `generationConfig.thinkingConfig` ("Gemini thinking"); `undefined` when nothing was asked for. */
export function toThinkingConfig(
  options: ReasoningOptions | undefined,
  traits: ModelTraits,
  log: TranslationLog,
): JsonOutObject | undefined {
  if (options === undefined) return undefined;
  const { effort, budgetTokens, visibility } = options;
  const isWanted = effort !== ReasoningEffort.UNSPECIFIED || budgetTokens !== undefined;
  const includeThoughts = toIncludeThoughts(visibility);
  if (traits.thinking === "none") {
    if (isWanted && effort !== ReasoningEffort.NONE) log.dropped("reasoning", "this model does not think");
    return undefined;
  }
  // A budget is taken by newer models too, which else want a level.
  if (budgetTokens !== undefined) return { thinkingBudget: toBudget(budgetTokens, traits, log), includeThoughts };
  if (effort === ReasoningEffort.UNSPECIFIED) return includeThoughts === undefined ? undefined : { includeThoughts };
  if (traits.thinking === "level") return { thinkingLevel: toLevel(effort, traits, log), includeThoughts };
  return { thinkingBudget: toBudgetOfEffort(effort, traits, log), includeThoughts };
}

/** Thoughts are shown as summaries, and only when asked for. */
function toIncludeThoughts(visibility: ReasoningVisibility): boolean | undefined {
  if (visibility === ReasoningVisibility.UNSPECIFIED) return undefined;
  return visibility !== ReasoningVisibility.HIDDEN;
}

function toBudget(budgetTokens: number, traits: ModelTraits, log: TranslationLog): number {
  const budget = Math.min(Math.max(budgetTokens, traits.thinkingBudgetMin), traits.thinkingBudgetMax);
  if (budget !== budgetTokens) {
    const range = `${traits.thinkingBudgetMin} and ${traits.thinkingBudgetMax}`;
    log.adjusted("reasoning.budget_tokens", `must lie between ${range} for this model`);
  }
  return budget;
}

/** Tokens for an effort, where the model wants a budget. */
const budgetOfEffort: Readonly<Record<number, number>> = {
  [ReasoningEffort.NONE]: 0,
  [ReasoningEffort.MINIMAL]: 512,
  [ReasoningEffort.LOW]: 2048,
  [ReasoningEffort.MEDIUM]: 8192,
  [ReasoningEffort.HIGH]: 24_576,
  [ReasoningEffort.XHIGH]: 32_768,
  [ReasoningEffort.MAX]: 32_768,
};

function toBudgetOfEffort(effort: ReasoningEffort, traits: ModelTraits, log: TranslationLog): number {
  if (effort === ReasoningEffort.NONE && traits.thinkingBudgetMin > 0) {
    log.adjusted("reasoning.effort", "this model always thinks: the least budget was asked for");
    return traits.thinkingBudgetMin;
  }
  return Math.min(budgetOfEffort[effort] ?? traits.thinkingBudgetMax, traits.thinkingBudgetMax);
}

const levelOfEffort: Readonly<Record<number, string>> = {
  [ReasoningEffort.LOW]: "LOW",
  [ReasoningEffort.MEDIUM]: "MEDIUM",
  [ReasoningEffort.HIGH]: "HIGH",
};

function toLevel(effort: ReasoningEffort, traits: ModelTraits, log: TranslationLog): string {
  const level = levelOfEffort[effort];
  if (level !== undefined) return level;
  if (effort === ReasoningEffort.XHIGH || effort === ReasoningEffort.MAX) {
    log.adjusted("reasoning.effort", "the highest thinking level is HIGH");
    return "HIGH";
  }
  const isExact = effort === ReasoningEffort.MINIMAL && traits.thinkingLevelMin === "MINIMAL";
  if (!isExact) log.adjusted("reasoning.effort", "this model always thinks: its least level was asked for");
  return traits.thinkingLevelMin;
}
