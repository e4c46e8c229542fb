// A target: one model at one configured provider. What `routing/` orders and `providers/` translate for.

/** What is known of a model before it is called. `undefined`: not known. From the catalogue, overridden by the config. */
export type ModelFacts = {
  readonly contextWindow?: number | undefined;
  readonly maxOutputTokens?: number | undefined;
  /** Modalities the model takes, in lower case: "text", "image", "audio", "video", "document". */
  readonly inputModalities?: readonly string[] | undefined;
  readonly outputModalities?: readonly string[] | undefined;
  readonly reasoning?: boolean | undefined;
  readonly tools?: boolean | undefined;
  readonly jsonSchema?: boolean | undefined;
  /** What the model is for; chat counts tokens too. */
  readonly operations?: readonly ModelOperation[] | undefined;
};

export type ModelOperation = "chat" | "embed" | "rerank" | "moderate" | "generateImages" | "speech" | "transcribe";

export type Target = {
  /** `<provider id>/<provider model>` unless the config names it. Unique within a route. */
  readonly id: string;
  /** Id of the configured provider, e.g. "openai", "claude". */
  readonly providerId: string;
  /** Kind of adapter, e.g. "anthropic". */
  readonly providerKind: string;
  /** `gen_ai.provider.name`, e.g. "aws.bedrock": what attempts and events say. */
  readonly providerName: string;
  /** Model name sent to the provider. */
  readonly model: string;
  readonly region: string;
  /** Share under the weighted strategy; default 1. */
  readonly weight: number;
  readonly zeroDataRetention: boolean;
  /** Most calls in flight at once; `undefined`: no limit. */
  readonly maxConcurrentRequests?: number | undefined;
  readonly facts: ModelFacts;
};
