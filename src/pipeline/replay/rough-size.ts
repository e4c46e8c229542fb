/**
 * About how much memory a value holds, in characters: its texts and bytes, and an allowance for each object and number. A
 * measure for bounds, not for bills.
 */
export function roughSize(value: unknown): number {
  if (typeof value === "string") return value.length;
  if (value === undefined || value === null) return 0;
  if (typeof value !== "object") return numberSize;
  if (value instanceof Uint8Array) return objectSize + value.length;
  let size = objectSize;
  for (const inner of Object.values(value)) size += roughSize(inner);
  return size;
}

const numberSize = 8;
const objectSize = 32;
