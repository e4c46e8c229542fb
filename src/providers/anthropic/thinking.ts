import { ReasoningEffort, type ReasoningOptions, ReasoningVisibility } from "../../contract.ts";
import type { JsonOutObject } from "../json-writer.ts";
import type { TranslationLog } from "../translation-log.ts";
import type { ModelTraits } from "./model-traits.ts";

export type Thinking = {
  /** Body field `thinking`. */
  readonly thinking: JsonOutObject | undefined;
  /** Body field `output_config.effort`. */
  readonly effort: string | undefined;
  /** Whether the model was told to think. */
  readonly isOn: boolean;
};

const silent: Thinking = { thinking: undefined, effort: undefined, isOn: false };

/** `maxTokens` bounds a budget: thinking counts against it. `isToolForced`: `tool_choice` is "any" or "tool". */
export function toThinking(
  options: ReasoningOptions | undefined,
  traits: ModelTraits,
  maxTokens: number,
  isToolForced: boolean,
  log: TranslationLog,
): Thinking {
  if (options === undefined) return silent;
  const { effort, budgetTokens } = options;
  const isOff = effort === ReasoningEffort.NONE || (effort === ReasoningEffort.UNSPECIFIED && budgetTokens === 0);
  if (isOff) return toSilence(traits, log);

  const isWanted = effort !== ReasoningEffort.UNSPECIFIED || budgetTokens !== undefined;
  if (isWanted && isToolForced && traits.thinkingExcludesForcedTool) {
    log.dropped("reasoning", "this model cannot think when a tool is forced");
    return silent;
  }
  switch (traits.thinking) {
    case "adaptive":
      return toAdaptive(options, traits, isWanted, log);
    case "budget":
      return isWanted ? toBudgeted(options, traits, maxTokens, log) : silent;
    case "none":
      if (isWanted) log.dropped("reasoning", "this model does not think");
      return silent;
    default:
      return traits.thinking satisfies never;
  }
}

function toSilence(traits: ModelTraits, log: TranslationLog): Thinking {
  if (traits.thinking === "none") return silent;
  if (!traits.alwaysThinks) return { thinking: { type: "disabled" }, effort: undefined, isOn: false };
  log.adjusted("reasoning.effort", "this model always thinks: the least effort was asked for");
  return { thinking: undefined, effort: "low", isOn: true };
}

function toAdaptive(options: ReasoningOptions, traits: ModelTraits, isWanted: boolean, log: TranslationLog): Thinking {
  const display = toDisplay(options.visibility, traits);
  if (!isWanted && display === undefined) return silent;
  return { thinking: { type: "adaptive", display }, effort: toEffort(options, traits, log), isOn: true };
}

const effortNames: Readonly<Record<number, string>> = {
  [ReasoningEffort.MINIMAL]: "low",
  [ReasoningEffort.LOW]: "low",
  [ReasoningEffort.MEDIUM]: "medium",
  [ReasoningEffort.HIGH]: "high",
  [ReasoningEffort.XHIGH]: "xhigh",
  [ReasoningEffort.MAX]: "max",
};

function toEffort(options: ReasoningOptions, traits: ModelTraits, log: TranslationLog): string | undefined {
  const { effort, budgetTokens } = options;
  if (budgetTokens !== undefined) {
    log.adjusted("reasoning.budget_tokens", "this model takes an effort instead of a budget");
    if (effort === ReasoningEffort.UNSPECIFIED) return toEffortOfBudget(budgetTokens);
  }
  if (effort === ReasoningEffort.MINIMAL) log.adjusted("reasoning.effort", "the least effort is low");
  if (effort === ReasoningEffort.XHIGH && !traits.effortXhigh) {
    log.adjusted("reasoning.effort", "this model knows no effort between high and max");
    return "max";
  }
  return effortNames[effort];
}

/** The efforts that take about so many tokens. */
function toEffortOfBudget(budgetTokens: number): string {
  if (budgetTokens <= 4096) return "low";
  return budgetTokens <= 16_384 ? "medium" : "high";
}

/** Tokens for an effort, where the API wants a budget. A round fraction of what these models can think in one answer. */
const budgetTokensOfEffort: Readonly<Record<number, number>> = {
  [ReasoningEffort.MINIMAL]: 1024,
  [ReasoningEffort.LOW]: 4096,
  [ReasoningEffort.MEDIUM]: 8192,
  [ReasoningEffort.HIGH]: 16_384,
  [ReasoningEffort.XHIGH]: 24_576,
  [ReasoningEffort.MAX]: 31_999,
};

/** "Extended thinking": at least 1,024 tokens, and less than `max_tokens`. */
const budgetTokensMin = 1024;

function toBudgeted(options: ReasoningOptions, traits: ModelTraits, maxTokens: number, log: TranslationLog): Thinking {
  if (maxTokens <= budgetTokensMin) {
    log.dropped("reasoning", `thinking takes at least ${budgetTokensMin} tokens, more than the answer may have`);
    return silent;
  }
  const wanted = options.budgetTokens ?? budgetTokensOfEffort[options.effort] ?? budgetTokensMin;
  const budget = Math.min(Math.max(wanted, budgetTokensMin), maxTokens - 1);
  if (options.budgetTokens !== undefined && budget !== wanted) {
    log.adjusted("reasoning.budget_tokens", `must lie between ${budgetTokensMin} and the length of the answer`);
  }
  const display = toDisplay(options.visibility, traits);
  return { thinking: { type: "enabled", budget_tokens: budget, display }, effort: undefined, isOn: true };
}

/** The API shows a summary at most. */
function toDisplay(visibility: ReasoningVisibility, traits: ModelTraits): string | undefined {
  if (!traits.thinkingDisplay || visibility === ReasoningVisibility.UNSPECIFIED) return undefined;
  return visibility === ReasoningVisibility.HIDDEN ? "omitted" : "summarized";
}
