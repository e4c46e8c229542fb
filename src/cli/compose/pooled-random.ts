import { randomFillSync } from "node:crypto";

/** A call draws some thirty bytes for its ids; one system call for each would cost more than the ids. */
const poolBytes = 8192;

/** Fills from a pool of cryptographic random bytes, each of which is given out once. */
export function createPooledRandom(): (bytes: Uint8Array) => void {
  const pool = new Uint8Array(poolBytes);
  let used = poolBytes;
  return (bytes) => {
    if (used + bytes.length > poolBytes) {
      randomFillSync(pool);
      used = 0;
    }
    bytes.set(pool.subarray(used, used + bytes.length));
    pool.fill(0, used, used + bytes.length);
    used += bytes.length;
  };
}
