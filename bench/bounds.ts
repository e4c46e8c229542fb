/**
 * Ratios to the bare relay that the quick form must keep. Far above what is measured on a quiet machine, since a shared one is
 * noisy: they catch a lost factor, not a lost tenth.
 */
export const bounds: Readonly<Record<string, number>> = {
  "unary 4x16": 10,
  "burst stream 4x16": 5,
  "paced stream, 20 at once": 3.5,
};
