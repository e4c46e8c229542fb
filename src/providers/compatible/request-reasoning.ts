import { ReasoningEffort, type ReasoningOptions, ReasoningVisibility } from "../../contract.ts";
import type { JsonOutObject } from "../json-writer.ts";
import { noteNoSummary } from "../note-absent.ts";
import type { TranslationLog } from "../translation-log.ts";
import type { Dialect, EffortWord } from "./dialect.ts";

const wordByEffort: Readonly<Partial<Record<ReasoningEffort, EffortWord>>> = {
  [ReasoningEffort.NONE]: "none",
  [ReasoningEffort.MINIMAL]: "minimal",
  [ReasoningEffort.LOW]: "low",
  [ReasoningEffort.MEDIUM]: "medium",
  [ReasoningEffort.HIGH]: "high",
  [ReasoningEffort.XHIGH]: "xhigh",
  [ReasoningEffort.MAX]: "max",
};

const ladder: readonly EffortWord[] = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];

/** How much to reason, and what to show of it, in the server's form. */
export function toReasoning(
  options: ReasoningOptions | undefined,
  dialect: Dialect,
  log: TranslationLog,
): JsonOutObject {
  if (options === undefined) return {};
  return { ...toAmount(options, dialect, log), ...toVisibility(options.visibility, dialect, log) };
}

function toAmount(options: ReasoningOptions, dialect: Dialect, log: TranslationLog): JsonOutObject {
  const form = dialect.reasoning;
  switch (form.kind) {
    case "none":
      dropReasoning(options, log);
      return {};
    case "effort":
      return { reasoning_effort: toEffort(options, form.words, log) };
    case "object":
      return {}; // Together with the visibility, below.
    case "thinking": {
      const isOn = toSwitch(options, form.words, log);
      if (isOn === undefined) return {};
      return {
        thinking: { type: isOn ? "enabled" : "disabled" },
        reasoning_effort: toStrength(isOn, options, form.words, log),
      };
    }
    case "enable-thinking": {
      const isOn = options.budgetTokens === undefined ? toSwitch(options, [], log) : options.budgetTokens > 0;
      return isOn === undefined
        ? {}
        : { enable_thinking: isOn, thinking_budget: isOn ? options.budgetTokens : undefined };
    }
    case "template": {
      const isOn = toSwitch(options, form.words, log);
      if (isOn === undefined) return {};
      return {
        chat_template_kwargs: { enable_thinking: isOn },
        reasoning_effort: toStrength(isOn, options, form.words, log),
      };
    }
  }
}

/** Notes that neither server nor model can be told how much to reason. */
export function dropReasoning(options: ReasoningOptions, log: TranslationLog): undefined {
  const message = "there is no such control for this model";
  if (options.effort !== ReasoningEffort.UNSPECIFIED) log.dropped("reasoning.effort", message);
  if (options.budgetTokens !== undefined) log.dropped("reasoning.budget_tokens", message);
  return undefined;
}

/** A word of the server's own scale; one that it lacks becomes the nearest, the weaker one if there are two. */
export function toEffort(
  options: ReasoningOptions,
  words: readonly EffortWord[],
  log: TranslationLog,
): EffortWord | undefined {
  const asked = wordByEffort[options.effort];
  if (options.budgetTokens !== undefined) {
    if (asked !== undefined) log.dropped("reasoning.budget_tokens", "the provider takes an effort, not a budget");
    else log.emulated("reasoning.budget_tokens", "the provider takes an effort, not a budget; one near it was chosen");
  }
  const wanted = asked ?? (options.budgetTokens === undefined ? undefined : effortOfBudget(options.budgetTokens));
  if (wanted === undefined || words.includes(wanted)) return wanted;
  const nearest = nearestWord(wanted, words);
  log.adjusted("reasoning.effort", `the provider has no effort "${wanted}"; "${nearest}" was sent`);
  return nearest;
}

function nearestWord(wanted: EffortWord, words: readonly EffortWord[]): EffortWord | undefined {
  const distance = (word: EffortWord) => Math.abs(ladder.indexOf(word) - ladder.indexOf(wanted));
  return words.toSorted((left, right) => distance(left) - distance(right))[0];
}

/** Budgets that others document for these words: 1,024 is the least of Anthropic, 8,192 the middle of Gemini. */
function effortOfBudget(budgetTokens: number): EffortWord {
  if (budgetTokens === 0) return "none";
  if (budgetTokens <= 1024) return "low";
  return budgetTokens <= 8192 ? "medium" : "high";
}

/** On or off; where there are no words for the strength, it is lost, and noted. */
function toSwitch(options: ReasoningOptions, words: readonly EffortWord[], log: TranslationLog): boolean | undefined {
  const word = wordByEffort[options.effort];
  const isOn = word === undefined ? isOnByBudget(options) : word !== "none";
  if (isOn !== true || words.length > 0) return isOn;
  if (options.budgetTokens !== undefined)
    log.dropped("reasoning.budget_tokens", "reasoning can only be switched on or off");
  if (word !== undefined)
    log.adjusted("reasoning.effort", "reasoning can only be switched on or off; it was switched on");
  return isOn;
}

function isOnByBudget({ budgetTokens }: ReasoningOptions): boolean | undefined {
  return budgetTokens === undefined ? undefined : budgetTokens > 0;
}

function toStrength(
  isOn: boolean,
  options: ReasoningOptions,
  words: readonly EffortWord[],
  log: TranslationLog,
): EffortWord | undefined {
  return isOn && words.length > 0 ? toEffort(options, words, log) : undefined;
}

/** Words for the effort, in whichever form the server has them. */
export function effortWords({ reasoning }: Dialect): readonly EffortWord[] {
  return "words" in reasoning ? reasoning.words : [];
}

function toVisibility(visibility: ReasoningVisibility, dialect: Dialect, log: TranslationLog): JsonOutObject {
  if (visibility === ReasoningVisibility.UNSPECIFIED) return {};
  if (dialect.reasoningFormat) {
    return { reasoning_format: visibility === ReasoningVisibility.HIDDEN ? "hidden" : "parsed" };
  }
  const isShown = dialect.reasoningBack !== undefined || dialect.thinkTags;
  const isWanted = visibility !== ReasoningVisibility.HIDDEN;
  if (isShown !== isWanted) {
    log.dropped(
      "reasoning.visibility",
      isShown ? "the provider always shows reasoning" : "the provider shows no reasoning",
    );
  }
  if (isShown) noteNoSummary(visibility, log);
  return {};
}

/** `reasoning: { effort | max_tokens, exclude }`, which holds both. */
export function toReasoningObject(
  options: ReasoningOptions | undefined,
  words: readonly EffortWord[],
  log: TranslationLog,
): JsonOutObject {
  if (options === undefined) return {};
  noteNoSummary(options.visibility, log);
  const budget = options.budgetTokens;
  // A budget wins over the effort, as the contract says; both at once are refused.
  const effort = budget === undefined ? toEffort(options, words, log) : undefined;
  const exclude = options.visibility === ReasoningVisibility.HIDDEN ? true : undefined;
  if (effort === undefined && budget === undefined && exclude === undefined) return {};
  return { reasoning: { effort, max_tokens: budget, exclude } };
}
