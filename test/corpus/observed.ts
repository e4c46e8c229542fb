// What a reader of the raw JSON would say that an answer holds, in the plainest words: the oracles give it, and so does the
// translation, and the two must agree.
import { FinishReason, type Usage } from "../../src/contract.ts";
import type { Completion } from "../../src/domain/completion.ts";

export type ObservedCall = { readonly name: string; readonly arguments: string };

export type Observed = {
  readonly text: string;
  readonly refusal: string;
  readonly reasoning: string;
  /** Calls that the caller has to execute. Empty arguments and "{}" are one. */
  readonly calls: readonly ObservedCall[];
  /** The provider's own word for the end. */
  readonly finish: string;
  readonly inputTokens: number | undefined;
  readonly outputTokens: number | undefined;
  readonly cachedTokens: number | undefined;
  readonly reasoningTokens: number | undefined;
};

/** What the translation says. */
export function observe(completion: Completion): Observed {
  const texts: string[] = [];
  const refusals: string[] = [];
  const reasoning: string[] = [];
  const calls: ObservedCall[] = [];
  for (const { content } of completion.parts) {
    if (content.case === "text") texts.push(content.value.text);
    if (content.case === "refusal") refusals.push(content.value.text);
    if (content.case === "reasoning") reasoning.push(content.value.text);
    if (content.case === "toolCall" && !content.value.providerExecuted) {
      calls.push({ name: content.value.name, arguments: content.value.argumentsJson || "{}" });
    }
  }
  return {
    text: texts.join(""),
    refusal: refusals.join(""),
    reasoning: reasoning.join(""),
    calls,
    finish: completion.providerFinishReason,
    ...observeUsage(completion.usage),
  };
}

function observeUsage(usage: Usage | undefined) {
  return {
    inputTokens: usage?.inputTokens,
    outputTokens: usage?.outputTokens,
    cachedTokens: usage?.cacheReadInputTokens,
    reasoningTokens: usage?.reasoningOutputTokens,
  };
}

/** Finish reasons that a complete answer with calls to execute may have. */
export const finishWithCalls: readonly FinishReason[] = [
  FinishReason.TOOL_CALLS,
  FinishReason.MAX_TOKENS,
  FinishReason.CONTENT_FILTER,
  FinishReason.OTHER,
  FinishReason.MALFORMED_OUTPUT,
];
