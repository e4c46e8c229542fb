import { invalid } from "./refusals.ts";

/** Where the page before ended, as the callers carry it. */
export function toPageToken(position: string): string {
  return Buffer.from(position, "utf8").toString("base64url");
}

/** "" for the first page. Throws `CallFailure` INVALID_REQUEST for a token that is none of ours. */
export function fromPageToken(token: string): string {
  const position = Buffer.from(token, "base64url").toString("utf8");
  if (toPageToken(position) === token) return position;
  throw invalid({ field: "page_token", description: "take it from the response before, unchanged" });
}

const sizes = { default: 100, max: 1_000 } as const;

export function pageSizeOf(asked: number): number {
  return asked === 0 ? sizes.default : Math.min(asked, sizes.max);
}
