import type { Dialect } from "./dialect.ts";

/** Where the operations of an OpenAI-style server are, and what is different about it. */
export type OperationRules = {
  readonly dialect: Dialect;
  readonly aliases: readonly string[];
  readonly origin: string;
  /** Path and query of a step such as "/embeddings" for a model; only Azure's depends on the model. */
  readonly pathOf: (step: string, model: string) => string;
};
