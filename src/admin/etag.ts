import { changedMeanwhile } from "./refusals.ts";

/** The version of a stored object as callers see it. */
export function toEtag(revision: number): string {
  return `r${revision}`;
}

/** Throws `CallFailure` CONFLICT when the caller has read another version; "" means any. */
export function assertEtag(etag: string, revision: number, type: string, id: string): void {
  if (etag !== "" && etag !== toEtag(revision)) throw changedMeanwhile(type, id);
}
