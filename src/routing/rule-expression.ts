// One rule, from text to a function, or to the sentence that says what is wrong with it. Evaluation is bounded by what is
// checked here: the length, the number of nodes, and how deep `all`, `exists`, `filter` and `map` may be nested, each over
// at most the labels of a request.
import type { CelInput, parse } from "@bufbuild/cel";
import { ruleNames } from "./rule-variables.ts";

export type PlannedExpression =
  | {
      readonly kind: "plan";
      /** A boolean, or anything else when the rule failed. Never throws. */
      readonly evaluate: (variables: Readonly<Record<string, CelInput>>) => unknown;
      /** Fields of `request` that it uses. */
      readonly requestFields: ReadonlySet<string>;
    }
  | { readonly kind: "problem"; readonly problem: string };

const charactersMax = 4_096;
const nodesMax = 256;
const nestingMax = 2;

type Expression = ReturnType<typeof parse>["expr"];
type Loop = Extract<Expression["exprKind"], { case: "comprehensionExpr" }>["value"];
type Select = Extract<Expression["exprKind"], { case: "selectExpr" }>["value"];

export async function planExpression(text: string): Promise<PlannedExpression> {
  if (text.length > charactersMax) return problem(`longer than ${charactersMax} characters`);
  const [{ celEnv, parse, plan }, { strings }] = await Promise.all([
    import("@bufbuild/cel"),
    import("@bufbuild/cel/ext"),
  ]);
  const environment = celEnv({ funcs: strings });
  let expression: Expression;
  try {
    expression = parse(text).expr;
  } catch (error) {
    // The parser throws nothing but syntax errors, and its message says where.
    return problem(error instanceof Error ? error.message : "not a CEL expression");
  }
  const survey: Survey = {
    nodes: 0,
    problems: [],
    requestFields: new Set(),
    isFunction: (name) => environment.funcs.find(name) !== undefined,
  };
  walk(expression, new Set(), 0, survey);
  const [first] = survey.problems;
  if (first !== undefined) return problem(first);
  if (survey.nodes > nodesMax) return problem(`more than ${nodesMax} parts`);
  return { kind: "plan", evaluate: plan(environment, expression), requestFields: survey.requestFields };
}

type Survey = {
  nodes: number;
  readonly problems: string[];
  readonly requestFields: Set<string>;
  readonly isFunction: (name: string) => boolean;
};

function walk(expression: Expression, locals: ReadonlySet<string>, depth: number, survey: Survey): void {
  survey.nodes += 1;
  if (survey.nodes > nodesMax) return;
  const { exprKind } = expression;
  if (exprKind.case === "comprehensionExpr") {
    walkLoop(exprKind.value, locals, depth, survey);
    return;
  }
  if (exprKind.case === "identExpr") checkName(exprKind.value.name, locals, survey);
  if (exprKind.case === "selectExpr") checkField(exprKind.value, locals, survey);
  if (exprKind.case === "callExpr") checkFunction(exprKind.value.function, survey);
  for (const child of childrenOf(exprKind)) {
    if (child !== undefined) walk(child, locals, depth, survey);
  }
}

/** `all`, `exists`, `exists_one`, `filter` and `map` are written as one loop each. */
function walkLoop(loop: Loop, locals: ReadonlySet<string>, depth: number, survey: Survey): void {
  if (depth >= nestingMax) survey.problems.push(`loops nested more than ${nestingMax} deep`);
  const inner = new Set([...locals, loop.iterVar, loop.iterVar2, loop.accuVar]);
  if (loop.iterRange !== undefined) walk(loop.iterRange, locals, depth, survey);
  for (const part of [loop.accuInit, loop.loopCondition, loop.loopStep, loop.result]) {
    if (part !== undefined) walk(part, inner, depth + 1, survey);
  }
}

function childrenOf(exprKind: Expression["exprKind"]): readonly (Expression | undefined)[] {
  switch (exprKind.case) {
    case "selectExpr":
      return isPlainField(exprKind.value) ? [] : [exprKind.value.operand];
    case "callExpr":
      return [exprKind.value.target, ...exprKind.value.args];
    case "listExpr":
      return exprKind.value.elements;
    case "structExpr":
      return exprKind.value.entries.flatMap(({ keyKind, value }) => [
        keyKind.case === "mapKey" ? keyKind.value : undefined,
        value,
      ]);
    default: // Constants and names have none; loops are walked apart, since they bring names of their own.
      return [];
  }
}

function checkFunction(name: string, { isFunction, problems }: Survey): void {
  if (!isFunction(name) && !operators.has(name)) problems.push(`unknown function ${name}`);
}

/** `name.field`, whose name `checkField` has seen. */
function isPlainField({ operand }: Select): boolean {
  return operand?.exprKind.case === "identExpr";
}

function checkName(name: string, locals: ReadonlySet<string>, survey: Survey): void {
  if (locals.has(name)) return;
  if (ruleNames.variables.has(name)) {
    // The whole of it, as in `request["model"]`: any field may be read.
    if (name === "request") for (const field of ruleNames.request) survey.requestFields.add(field);
    return;
  }
  if (typeNames.has(name)) return;
  survey.problems.push(`unknown variable ${name}: a rule may use ${[...ruleNames.variables].join(", ")}`);
}

function checkField({ operand, field }: Select, locals: ReadonlySet<string>, survey: Survey): void {
  if (operand?.exprKind.case !== "identExpr") return;
  const { name } = operand.exprKind.value;
  if (locals.has(name)) return;
  if (name === "request") survey.requestFields.add(field);
  else checkName(name, locals, survey);
  const fields = name === "request" ? ruleNames.request : name === "caller" ? ruleNames.caller : undefined;
  if (fields !== undefined && !fields.has(field)) {
    survey.problems.push(`unknown field ${name}.${field}: there are ${[...fields].join(", ")}`);
  }
}

/** Operators that the planner knows without a function of that name. */
const operators: ReadonlySet<string> = new Set([
  "_&&_",
  "_||_",
  "_?_:_",
  "!_",
  "@not_strictly_false",
  "_[_]",
  "_==_",
  "_!=_",
]);

const typeNames: ReadonlySet<string> = new Set([
  "bool",
  "bytes",
  "double",
  "int",
  "list",
  "map",
  "null_type",
  "string",
  "type",
  "uint",
]);

function problem(text: string): PlannedExpression {
  return { kind: "problem", problem: text };
}
