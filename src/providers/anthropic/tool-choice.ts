import { type CompleteRequest, type ToolChoice, ToolMode } from "../../contract.ts";
import type { JsonOutObject } from "../json-writer.ts";
import type { TranslationLog } from "../translation-log.ts";
import type { ModelTraits } from "./model-traits.ts";

export type Choice = {
  /** Body field `tool_choice`. */
  readonly toolChoice: JsonOutObject | undefined;
  readonly isForced: boolean;
  /** Only these tools are sent; empty: all. The API knows no list of allowed tools. */
  readonly allowed: readonly string[];
  /** Sentence for the system prompt where the API cannot force; "" else. */
  readonly instruction: string;
};

const unsaid: Choice = { toolChoice: undefined, isForced: false, allowed: [], instruction: "" };

export function toToolChoice(request: CompleteRequest, traits: ModelTraits, log: TranslationLog): Choice {
  const choice = request.toolChoice;
  if (choice === undefined || request.tools.length === 0) return unsaid;
  if (choice.mode === ToolMode.NONE) return { ...unsaid, toolChoice: { type: "none" } };
  if (choice.mode === ToolMode.REQUIRED) return toForced(choice, traits, log);
  const isSaid = choice.mode === ToolMode.AUTO || choice.parallelToolCalls !== undefined;
  const toolChoice = isSaid ? { type: "auto", ...toParallel(choice) } : undefined;
  return { ...unsaid, toolChoice, allowed: toAllowed(choice.allowedTools, log) };
}

function toForced(choice: ToolChoice, traits: ModelTraits, log: TranslationLog): Choice {
  const [first, ...others] = choice.allowedTools;
  const only = others.length === 0 ? first : undefined;
  const allowed = only === undefined ? toAllowed(choice.allowedTools, log) : [];
  if (traits.forcedTool) {
    const forced = only === undefined ? { type: "any" } : { type: "tool", name: only };
    return { toolChoice: { ...forced, ...toParallel(choice) }, isForced: true, allowed, instruction: "" };
  }
  log.emulated("tool_choice.mode", "this model cannot be forced to call a tool and was only told to");
  const instruction = only === undefined ? "Call one of the tools." : `Call the tool ${only}.`;
  return { toolChoice: { type: "auto", ...toParallel(choice) }, isForced: false, allowed, instruction };
}

function toAllowed(allowedTools: readonly string[], log: TranslationLog): readonly string[] {
  if (allowedTools.length > 0) log.emulated("tool_choice.allowed_tools", "the other tools were not sent");
  return allowedTools;
}

function toParallel(choice: ToolChoice): JsonOutObject {
  return choice.parallelToolCalls === undefined ? {} : { disable_parallel_tool_use: !choice.parallelToolCalls };
}
