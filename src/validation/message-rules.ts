// CEL rules of the contract, written by hand: an interpreter for one expression would cost more than the whole request.

export type MessageRule = {
  /** Field that a violation names. */
  readonly field: string;
  readonly isKept: (message: Readonly<Record<string, unknown>>) => boolean;
};

/** By the `id` of the rule. */
export const messageRules: ReadonlyMap<string, MessageRule> = new Map([
  [
    "complete_request.input",
    {
      field: "messages",
      isKept: ({ messages, prompt }) => (Array.isArray(messages) && messages.length > 0) || prompt !== undefined,
    },
  ],
]);
