import { asObject, JsonError, type JsonRecord, parseJson } from "../wire/json.ts";

/** The object in an error's body; `undefined`: it is none, such as a proxy's page. */
export function parseErrorEnvelope(text: string): JsonRecord | undefined {
  try {
    return asObject(parseJson(text));
  } catch (error) {
    if (error instanceof JsonError) return undefined;
    throw error;
  }
}

/** What is no JSON: worth showing when it is words, not when it is a page. */
export function wordsOf(text: string): string {
  return text.trimStart().startsWith("<") ? "" : text;
}
