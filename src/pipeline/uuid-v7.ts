// Ids that sort by time (RFC 9562, version 7): 48 bits of Unix milliseconds, then 74 random bits.

const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Makes a source of ids. `fillRandom` fills the bytes from a cryptographic source. */
export function createUuidV7Source(fillRandom: (bytes: Uint8Array) => void): (nowMs: number) => string {
  const random = new Uint8Array(10);
  const at = (offset: number): number => random[offset] ?? 0;
  const byte = (value: number): string => hex[value] ?? "00";
  return (nowMs) => {
    fillRandom(random);
    const time = nowMs.toString(16).padStart(12, "0");
    return (
      `${time.slice(0, 8)}-${time.slice(8)}-7${byte(at(0)).charAt(1)}${byte(at(1))}-` +
      `${byte(0x80 | (at(2) & 0x3f))}${byte(at(3))}-` +
      `${byte(at(4))}${byte(at(5))}${byte(at(6))}${byte(at(7))}${byte(at(8))}${byte(at(9))}`
    );
  };
}
