import type { CelInput } from "@bufbuild/cel";
import { create } from "@bufbuild/protobuf";
import { CompleteRequestSchema } from "../contract.ts";
import { planExpression } from "./rule-expression.ts";
import { ruleNames, ruleVariables } from "./rule-variables.ts";

/**
 * What is wrong with a rule, in one line; `undefined`: nothing. Beside syntax, names and size it finds rules that compare
 * unlike types or give no boolean, by trying the rule on an example.
 */
export async function checkRule(text: string): Promise<string | undefined> {
  const planned = await planExpression(text);
  if (planned.kind === "problem") return planned.problem;
  const result = planned.evaluate(exampleVariables());
  if (typeof result === "boolean") return undefined;
  if (!(result instanceof Error)) return "gives no boolean, so it is not a condition";
  // Other errors depend on the values: a label that is no number, an index out of range.
  return result.message.includes("no matching overload") ? result.message : undefined;
}

/** Every label is there, and empty. */
class EveryLabel extends Map<string, string> {
  override get(): string {
    return "";
  }

  override has(): boolean {
    return true;
  }
}

function exampleVariables(): Readonly<Record<string, CelInput>> {
  const query = {
    caller: {
      organisationId: "example",
      teamId: "example",
      projectId: "example",
      keyId: "example",
      service: "example",
      roles: [],
      models: ["*"],
    },
    request: create(CompleteRequestSchema, { model: "example" }),
    streaming: false,
    inputTokens: 100,
    nowMs: 0,
    deadlineMs: undefined,
  };
  return { ...ruleVariables(query, ruleNames.request), labels: new EveryLabel() };
}
