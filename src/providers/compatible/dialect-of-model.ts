import type { ModelFacts } from "../../domain/target.ts";
import type { Dialect } from "./dialect.ts";

/** The row of a server, less what is known to be missing in one of its models. What is not known is taken to be there. */
export function dialectOfModel(dialect: Dialect, facts: ModelFacts): Dialect {
  if (facts.reasoning !== false && facts.jsonSchema !== false) return dialect;
  return {
    ...dialect,
    reasoning: facts.reasoning === false ? { kind: "none" } : dialect.reasoning,
    responseFormat:
      facts.jsonSchema === false ? { ...dialect.responseFormat, jsonSchema: false } : dialect.responseFormat,
  };
}
