// What a model of Bedrock takes beyond what all of them take, read from its id. Converse passes such parameters on as they
// are, in `additionalModelRequestFields`, and each vendor has names of its own ("Inference request parameters and response
// fields for foundation models").

export type ModelFamily = {
  readonly name: "claude" | "nova" | "nova-2" | "gpt-oss" | "reasoning-config" | "other";
  /** Place of `top_k`; `undefined`: the model has none, or not one that is documented. */
  readonly topK: "top_k" | "inferenceConfig.topK" | undefined;
  /** Cache points are taken ("Prompt caching for faster model inference", "Supported models"). */
  readonly caching: "all" | "without-tools" | "none";
  /** `outputConfig.textFormat` is taken ("Structured outputs"); Claude's depends on its version. */
  readonly jsonSchema: boolean;
};

const other: ModelFamily = { name: "other", topK: undefined, caching: "none", jsonSchema: true };

const families: readonly { readonly sign: RegExp; readonly family: ModelFamily }[] = [
  {
    sign: /anthropic\.|claude/,
    family: { name: "claude", topK: "top_k", caching: "all", jsonSchema: true },
  },
  {
    sign: /amazon\.nova-2/,
    family: { name: "nova-2", topK: "inferenceConfig.topK", caching: "without-tools", jsonSchema: false },
  },
  {
    sign: /amazon\.nova/,
    family: { name: "nova", topK: "inferenceConfig.topK", caching: "without-tools", jsonSchema: false },
  },
  { sign: /gpt-oss/, family: { ...other, name: "gpt-oss" } },
  { sign: /qwen\.|deepseek\.v/, family: { ...other, name: "reasoning-config", topK: "top_k" } },
  { sign: /mistral\./, family: { ...other, topK: "top_k" } },
  { sign: /amazon\.titan|meta\.llama|ai21\.|cohere\./, family: { ...other, jsonSchema: false } },
];

/** Whether a cache point may live an hour: Claude from version 4.5 on ("Prompt caching", "Cache TTL"). */
export function cachesForHours(model: string): boolean {
  return /claude-(?:opus|sonnet|haiku)-4-[5-9](?!\d)|claude-[a-z]+-[5-9]/.test(model);
}

/** `model`: an id, an inference profile's id ("us.anthropic.claude-…"), or an ARN that holds one. */
export function familyOf(model: string): ModelFamily {
  return families.find(({ sign }) => sign.test(model))?.family ?? other;
}
