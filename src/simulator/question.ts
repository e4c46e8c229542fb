// What the simulator understands of a request, whichever provider's API it came by.

export type Question = {
  readonly model: string;
  /** Text of the last message of the user. */
  readonly lastText: string;
  /** See `countInput`. */
  readonly inputTokens: number;
  /** The last message brings the results of tools. */
  readonly bringsToolResults: boolean;
  readonly tools: readonly OfferedTool[];
  readonly toolChoice: ToolChoice;
  readonly parallelTools: boolean;
  /** The answer is JSON of this schema; `{}`: of any. */
  readonly jsonSchema?: unknown;
  /** The request asks for reasoning. */
  readonly reasoning: boolean;
  readonly maxTokens: number | undefined;
  readonly stop: readonly string[];
};

export type OfferedTool = { readonly name: string; readonly schema: unknown };

export type ToolChoice =
  | { readonly kind: "auto" | "none" | "required" }
  | { readonly kind: "named"; readonly name: string };

/** What a part that is no text counts as. */
export const mediaTokens = 100;

/** Input tokens: one for each word of any text in the messages, 100 for each medium; at least 1. */
export function countInput(texts: readonly string[], media: number): number {
  let tokens = media * mediaTokens;
  for (const text of texts) tokens += text.match(/\S+/g)?.length ?? 0;
  return Math.max(1, tokens);
}
