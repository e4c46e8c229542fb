import { ReasoningEffort, type ReasoningOptions, ReasoningVisibility } from "../../contract.ts";
import { toEffort } from "../compatible/request-reasoning.ts";
import type { JsonOutObject } from "../json-writer.ts";
import { noteNoSummary } from "../note-absent.ts";
import type { TranslationLog } from "../translation-log.ts";

/**
 * "Reasoning": Magistral models always think and have no control over it; of the others, those that can think take
 * `reasoning_effort` "high" or "none".
 */
export function toReasoning(options: ReasoningOptions | undefined, model: string, log: TranslationLog): JsonOutObject {
  if (options === undefined) return {};
  if (options.visibility === ReasoningVisibility.HIDDEN) {
    log.dropped("reasoning.visibility", "the provider always shows reasoning");
  }
  noteNoSummary(options.visibility, log);
  if (model.includes("magistral")) return noteAlwaysThinking(options, log);
  const isOff = options.effort === ReasoningEffort.NONE || isOffByBudget(options);
  return { reasoning_effort: isOff ? "none" : toEffort(options, ["high"], log) };
}

function isOffByBudget({ effort, budgetTokens }: ReasoningOptions): boolean {
  return effort === ReasoningEffort.UNSPECIFIED && budgetTokens === 0;
}

function noteAlwaysThinking({ effort, budgetTokens }: ReasoningOptions, log: TranslationLog): JsonOutObject {
  if (effort !== ReasoningEffort.UNSPECIFIED) log.dropped("reasoning.effort", "this model always reasons as it does");
  if (budgetTokens !== undefined) log.dropped("reasoning.budget_tokens", "this model always reasons as it does");
  return {};
}
