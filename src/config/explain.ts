// Turns what zod found into sentences for an operator: where, and what to write instead. No sentence holds a value of the
// file, since a value in the wrong place may be a secret; names of unknown keys are told, cut to a length.
import type * as z from "zod";
import { didYouMean } from "./nearest.ts";
import type { ConfigPath } from "./problems.ts";

/** A problem before it has a line and a column. */
export type Finding = {
  readonly path: ConfigPath;
  readonly message: string;
  /** The key itself is wrong, rather than what stands under it. */
  readonly atKey: boolean;
};

const keyLengthMax = 60;

/** Error map for `safeParse`: the sentence for what a schema has no sentence of its own for. */
export function toMessage(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return issue.input === undefined ? "is missing" : `must be ${spellType(issue.expected)}`;
    case "invalid_value":
      return issue.input === undefined ? `is missing; ${spellChoices(issue)}` : spellChoices(issue);
    case "unrecognized_keys":
      return issue.keys.map((key) => unknownKey(key, knownKeys(issue.inst))).join("\n");
    case "too_big":
      return `must have at most ${issue.maximum} entries`;
    case "too_small":
      return `must have at least ${issue.minimum} entries`;
    default:
      return "is not valid";
  }
}

/** One finding for each thing that is wrong: unknown keys singly, of a union the branch that was meant. */
export function toFindings(issues: readonly z.core.$ZodIssue[], under: ConfigPath = []): readonly Finding[] {
  return issues.flatMap((issue) => {
    const path = [...under, ...issue.path.filter((step) => typeof step !== "symbol")];
    if (issue.code === "unrecognized_keys") {
      const messages = issue.message.split("\n"); // `toMessage` writes one line for each key, in their order.
      return issue.keys.map((key, index) => ({
        path: [...path, key],
        message: messages[index] ?? "unknown key",
        atKey: true,
      }));
    }
    if (issue.code === "invalid_union") {
      const meant = meantBranch(issue.errors);
      if (meant !== undefined) return toFindings(meant, path);
    }
    return [{ path, message: issue.message, atKey: false }];
  });
}

/** The branch whose own type fits, so that only something inside it, or about it, is wrong. */
function meantBranch(branches: readonly (readonly z.core.$ZodIssue[])[]): readonly z.core.$ZodIssue[] | undefined {
  return branches.find((branch) => branch.every((issue) => issue.path.length > 0 || !isWrongType(issue)));
}

function isWrongType(issue: z.core.$ZodIssue): boolean {
  return issue.code === "invalid_type" || issue.code === "invalid_value" || issue.code === "invalid_union";
}

function unknownKey(key: string, known: readonly string[]): string {
  const shown = key.length > keyLengthMax ? `${key.slice(0, keyLengthMax)}…` : key;
  const hint = didYouMean(key, known);
  if (hint !== "") return `unknown key "${shown}"${hint}`;
  return `unknown key "${shown}"${known.length === 0 ? "" : `; known here: ${known.join(", ")}`}`;
}

function knownKeys(schema: unknown): readonly string[] {
  if (typeof schema !== "object" || schema === null || !("shape" in schema)) return [];
  return typeof schema.shape === "object" && schema.shape !== null ? Object.keys(schema.shape) : [];
}

function spellChoices(issue: z.core.$ZodRawIssue<z.core.$ZodIssueInvalidValue>): string {
  const choices = issue.values.map(String);
  const hint = typeof issue.input === "string" ? didYouMean(issue.input, choices) : "";
  const only = choices.length === 1 ? `must be ${choices[0]}` : `must be one of ${choices.join(", ")}`;
  return `${only}${hint}`;
}

function spellType(expected: string): string {
  const words: Readonly<Record<string, string>> = {
    object: "a map of keys",
    array: "a list",
    string: "text",
    number: "a number",
    int: "a whole number",
    boolean: "true or false",
  };
  return words[expected] ?? `of type ${expected}`;
}
