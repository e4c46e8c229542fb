/** Largest value of the contract's int32 counts. */
const countMax = 2_147_483_647;

/** A count as the contract knows it: a whole number from 0 on. `undefined` for anything else: unknown is not zero. */
export function toTokenCount(value: unknown): number | undefined {
  if (typeof value !== "number" || !Number.isInteger(value)) return undefined;
  return value >= 0 && value <= countMax ? value : undefined;
}
