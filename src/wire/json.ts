// From `unknown` to what is used: the border where a provider's JSON is checked once. A narrower gives `undefined` for
// anything else, since what a provider leaves out and what it sends in another form are handled alike: as not known.

import { isNestedDeeper } from "./is-nested-deeper.ts";

export type JsonRecord = Readonly<Record<string, unknown>>;

/** The text is no JSON. Carries no content. */
export class JsonError extends Error {
  override readonly name = "JsonError";
}

/** Deepest nesting that is read. What is written again is walked through by calls in calls, whose stack has an end. */
const depthMax = 1_000;

/** Throws `JsonError`, also when arrays and objects are nested beyond reason. Whitespace around the JSON is allowed. */
export function parseJson(text: string): unknown {
  if (isNestedDeeper(text, depthMax)) throw new JsonError(`JSON is nested deeper than ${depthMax}`);
  try {
    return JSON.parse(text);
  } catch {
    // The engine's own message quotes the text, which may be a prompt or an answer.
    throw new JsonError(`no JSON in ${text.length} characters`);
  }
}

export function asObject(value: unknown): JsonRecord | undefined {
  return isObject(value) ? value : undefined;
}

export function asArray(value: unknown): readonly unknown[] | undefined {
  return Array.isArray(value) ? value : undefined;
}

export function asString(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

export function asNumber(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}

export function asBoolean(value: unknown): boolean | undefined {
  return typeof value === "boolean" ? value : undefined;
}

function isObject(value: unknown): value is JsonRecord {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
