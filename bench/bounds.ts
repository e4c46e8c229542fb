/** Ratios to the bare relay that the quick form must keep. Wide, since a shared machine is noisy: they catch a lost factor, not a lost tenth. */
export const bounds: Readonly<Record<string, number>> = {
  "unary 4x16": 3,
  "burst stream 4x16": 2,
  "paced stream, 20 at once": 2,
};
