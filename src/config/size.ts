const bytesByUnit: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
};

/** How a size is written: a number and its unit, e.g. "512MiB", "10GB". */
export const sizePattern = /^(\d{1,15}(?:\.\d{1,6})?)(B|KB|MB|GB|TB|KiB|MiB|GiB|TiB)$/;

/** Whole bytes of "10GiB" (powers of 1024) or "10GB" (powers of 1000); `undefined` when the text is no size. */
export function parseSize(text: string): number | undefined {
  const [, amount, unit] = sizePattern.exec(text) ?? [];
  const factor = unit === undefined ? undefined : bytesByUnit[unit];
  if (amount === undefined || factor === undefined) return undefined;
  return Math.round(Number(amount) * factor);
}
