// What stands under a request id in the bucket, as JSON.

export type ClaimRecord = {
  /** One life of one replica. */
  readonly owner: string;
  readonly digest: string;
  readonly responseId: string;
  /** Pieces that the kept outcome was cut into; absent: it runs, or its outcome was too large and the owner has it. */
  readonly pieces?: number | undefined;
};

export function formatClaim(record: ClaimRecord): string {
  return JSON.stringify(record);
}

/** `undefined`: it is none of ours. */
export function parseClaim(text: string): ClaimRecord | undefined {
  let read: Partial<Record<keyof ClaimRecord, unknown>>;
  try {
    read = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { owner, digest, responseId, pieces } = read ?? {};
  if (typeof owner !== "string" || typeof digest !== "string" || typeof responseId !== "string") return undefined;
  if (pieces === undefined) return { owner, digest, responseId };
  const isCount = typeof pieces === "number" && Number.isInteger(pieces) && pieces > 0;
  return isCount ? { owner, digest, responseId, pieces } : undefined;
}
