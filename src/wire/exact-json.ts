// JSON that is going to be written again: arguments and content of kinds that we do not know, which have to come out as
// they came in. An integer over 2^53 is kept as its text, since as a number it would become another one.
import { parseJson } from "./json.ts";

declare global {
  // ECMAScript's "JSON.parse source text access", which the compiler's library does not know yet.
  interface JSON {
    rawJSON(text: string): object;
    parse(
      text: string,
      reviver: (name: string, value: unknown, context: { readonly source?: string }) => unknown,
    ): unknown;
  }
}

/** A number that may be too long: 16 digits where a value begins, be it inside a string. */
const mayBeLong = /(?:^|[:,[\s])-?\d{16}/;

/**
 * As `parseJson`; `JSON.stringify` of the result gives every integer as it stood. One that no number holds is an object,
 * which the narrowers of `json.ts` take for no number. Throws `JsonError`.
 */
export function parseExactJson(text: string): unknown {
  const plain = parseJson(text); // Also refuses what is nested beyond reason.
  if (!mayBeLong.test(text)) return plain;
  return JSON.parse(text, (_name, value, { source }) => (isInexact(value, source) ? JSON.rawJSON(source) : value));
}

function isInexact(value: unknown, source: string | undefined): source is string {
  return typeof value === "number" && source !== undefined && /^-?\d+$/.test(source) && !Number.isSafeInteger(value);
}
