// A bucket that fills at a steady rate up to its size: bursts up to the size pass, the long run keeps to the rate.

export type Bucket = {
  /** Units in it at `atMs`; less than zero after a call took more than it had asked for. */
  level: number;
  atMs: number;
  readonly size: number;
  readonly unitsPerMs: number;
};

/** Full at the beginning. `limit` units pass in `windowMs`. */
export function createBucket(limit: number, windowMs: number, nowMs: number): Bucket {
  return { level: limit, atMs: nowMs, size: limit, unitsPerMs: limit / windowMs };
}

/** Brings the level up to now; a clock that went back changes nothing. */
export function refill(bucket: Bucket, nowMs: number): void {
  if (nowMs <= bucket.atMs) return;
  bucket.level = Math.min(bucket.size, bucket.level + (nowMs - bucket.atMs) * bucket.unitsPerMs);
  bucket.atMs = nowMs;
}

/** A claim larger than the bucket passes when it is full: otherwise it could never pass. */
export function toClaim(bucket: Bucket, amount: number): number {
  return Math.min(amount, bucket.size);
}

/** Milliseconds until a claim would pass if nobody else took anything; 0: now. `refill` first. */
export function waitMs(bucket: Bucket, claim: number): number {
  // A hair of rounding must not turn away the claim that just fits, nor lengthen the wait by a millisecond.
  const missing = claim - bucket.level - bucket.size * 1e-9;
  return missing <= 0 ? 0 : Math.max(1, Math.ceil(missing / bucket.unitsPerMs));
}

/** Takes, or with a negative amount gives back. */
export function take(bucket: Bucket, amount: number): void {
  bucket.level = Math.min(bucket.size, bucket.level - amount);
}
