import type { JsonValue } from "@bufbuild/protobuf";
import type { FieldChange } from "./difference.ts";
import type { Step } from "./plan.ts";

const signs = { create: "+", change: "~", keep: " " } as const satisfies Record<Step["kind"], string>;

/** What would change, one field a line, and a line that sums it up. */
export function formatSteps(steps: readonly Step[]): string {
  const lines = steps.filter(({ kind }) => kind !== "keep").flatMap(toLines);
  return `${[...lines, toSum(steps)].join("\n")}\n`;
}

function toLines({ name, kind, changes }: Step): readonly string[] {
  return [`${signs[kind]} ${name}`, ...changes.map((change) => `    ${toLine(kind, change)}`)];
}

function toLine(kind: Step["kind"], { field, before, after }: FieldChange): string {
  return kind === "create" ? `${field}: ${spell(after)}` : `${field}: ${spell(before)} → ${spell(after)}`;
}

function spell(value: JsonValue | undefined): string {
  return value === undefined ? "(not set)" : JSON.stringify(value);
}

function toSum(steps: readonly Step[]): string {
  const count = (kind: Step["kind"]) => steps.filter((step) => step.kind === kind).length;
  return `${count("create")} to create, ${count("change")} to change, ${count("keep")} as they should be`;
}
