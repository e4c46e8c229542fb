import type { FailureKind } from "../domain/provider-failure.ts";

/** What an HTTP status means when the body says nothing better. For statuses of 300 and more. */
export function failureKindOfStatus(status: number): FailureKind {
  const known = kindByStatus[status];
  if (known !== undefined) return known;
  if (status >= 500) return "unavailable";
  if (status >= 400) return "rejected-request";
  return "bad-response"; // A redirect: no API of a model answers so; the address is wrong.
}

const kindByStatus: Readonly<Record<number, FailureKind>> = {
  401: "credentials-rejected",
  402: "quota-exhausted",
  403: "credentials-rejected",
  408: "timeout",
  413: "payload-too-large",
  425: "unavailable",
  429: "rate-limited",
  503: "overloaded",
  504: "timeout",
  524: "timeout", // Cloudflare: the origin was too slow.
  529: "overloaded", // Anthropic, documented as "overloaded_error".
};
