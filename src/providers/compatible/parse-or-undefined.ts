import { parseExactJson } from "../../wire/exact-json.ts";
import { parseJson } from "../../wire/json.ts";

/** The JSON value; `undefined` when the text is none, for the caller to say what that means. */
export function parseOrUndefined(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return undefined; // The error would carry nothing that the caller does not know.
  }
}

/** As above, for what is written again: integers over 2^53 stay as they are. */
export function parseExactOrUndefined(text: string): unknown {
  try {
    return parseExactJson(text);
  } catch {
    return undefined; // As above.
  }
}
