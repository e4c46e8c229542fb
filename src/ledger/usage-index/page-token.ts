// Page tokens: where the next page begins, bound to the question, so that a token cannot be used with another one.
import { createHash } from "node:crypto";
import { ErrorReason } from "../../contract.ts";
import { CallFailure } from "../../domain/call-failure.ts";

const digestCharacters = 16;

/** `question` is everything but the size and the token of the page, as JSON values. */
export function toPageToken(question: unknown, key: unknown): string {
  return Buffer.from(JSON.stringify([digestOf(question), key])).toString("base64url");
}

/** The key; `undefined` for the first page. Throws `CallFailure` INVALID_REQUEST for a token that is not of this question. */
export function fromPageToken(question: unknown, token: string): readonly unknown[] | undefined {
  if (token === "") return undefined;
  const parsed = parse(token);
  if (Array.isArray(parsed) && parsed.length === 2 && parsed[0] === digestOf(question) && Array.isArray(parsed[1])) {
    return parsed[1];
  }
  const description = "is not a token of this request: its other fields must not change between pages";
  throw new CallFailure(ErrorReason.INVALID_REQUEST, `page_token ${description}`, {
    violations: [{ field: "page_token", description }],
  });
}

function parse(token: string): unknown {
  try {
    return JSON.parse(Buffer.from(token, "base64url").toString());
  } catch {
    return undefined; // Said by the caller.
  }
}

function digestOf(question: unknown): string {
  return createHash("sha256").update(JSON.stringify(question)).digest("base64url").slice(0, digestCharacters);
}
