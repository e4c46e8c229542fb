// Rules in CEL: the first that is true chooses the model. Compiled once, when the program starts; the CEL library is loaded
// only when there are rules. A rule that ends in an error (a label that the request lacks, say) does not match, unless it
// refuses, and is counted.
import type { CelInput } from "@bufbuild/cel";
import type { RuleConfig } from "../config/config.ts";
import type { RouteQuery } from "./itinerary.ts";
import { planExpression } from "./rule-expression.ts";
import { ruleVariables } from "./rule-variables.ts";

export interface RuleBook {
  /** The first rule that matches; `undefined`: none does. */
  match(query: RouteQuery): { readonly id: string; readonly model: string | undefined } | undefined;
  /** Models that rules choose. */
  readonly models: readonly string[];
  /** Evaluations that ended in an error, by rule id. */
  readonly errors: ReadonlyMap<string, number>;
}

export const noRules: RuleBook = { match: () => undefined, models: [], errors: new Map() };

/** Rejects with an `Error` that names the rule when one cannot be read; `checkRule` tells that before. */
export async function compileRules(rules: readonly RuleConfig[]): Promise<RuleBook> {
  if (rules.length === 0) return noRules;
  const compiled: CompiledRule[] = [];
  const fields = new Set<string>();
  for (const { id, when, model } of rules) {
    const planned = await planExpression(when);
    if (planned.kind === "problem") throw new Error(`rule ${id}: ${planned.problem}`);
    for (const field of planned.requestFields) fields.add(field);
    compiled.push({ id, model, evaluate: planned.evaluate });
  }
  const errors = new Map<string, number>(rules.map(({ id }) => [id, 0]));
  return {
    models: rules.map(({ model }) => model).filter((model) => model !== undefined),
    errors,
    match(query) {
      const variables = ruleVariables(query, fields);
      return compiled.find(({ id, model, evaluate }) => {
        const result = evaluate(variables);
        if (typeof result === "boolean") return result;
        errors.set(id, (errors.get(id) ?? 0) + 1);
        return model === undefined; // A refusal that cannot be evaluated refuses.
      });
    },
  };
}

type CompiledRule = {
  readonly id: string;
  readonly model: string | undefined;
  readonly evaluate: (variables: Readonly<Record<string, CelInput>>) => unknown;
};
