/** FNV-1a over UTF-16 units: 32 bits, unsigned. Not for secrets. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}

/**
 * Score of one arm for one key, by weighted rendezvous hashing: the arm with the highest score gets the key. Over all keys
 * each arm gets a share equal to its weight; a change of one weight moves only keys into or out of that arm
 * (https://www.snia.org/sites/default/files/SDC15_presentations/dist_sys/Jason_Resch_New_Consistent_Hashings_Rev.pdf).
 * An arm of weight 0 scores below every other.
 */
export function rendezvousScore(keyHash: number, armHash: number, weight: number): number {
  if (weight <= 0) return Number.NEGATIVE_INFINITY;
  // From above 0 to below 1, so that the logarithm is finite and not zero.
  const uniform = (mix(keyHash ^ mix(armHash)) + 0.5) / 2 ** 32;
  return Math.log(uniform) / weight;
}

/** The finaliser of MurmurHash3: every input bit reaches every output bit. */
function mix(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
