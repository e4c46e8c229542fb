import { parseJson } from "../../wire/json.ts";

/** The JSON value; `undefined` when the text is none, for the caller to say what that means. */
export function parseOrUndefined(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return undefined; // The error would carry nothing that the caller does not know.
  }
}
