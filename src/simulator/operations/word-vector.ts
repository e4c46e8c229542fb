/** How far each word reaches: so many dimensions. */
const dimensionsPerWord = 8;

/** A vector of length 1 in which texts that share words lie close together, as a model's would. */
export function wordVector(text: string, dimensions: number): readonly number[] {
  const values = new Float64Array(dimensions);
  for (const word of text.toLowerCase().match(/\S+/g) ?? [""]) addWord(values, word);
  const length = Math.hypot(...values) || 1;
  return Array.from(values, (value) => Math.fround(value / length));
}

/** FNV-1a, 32 bits. */
export function hashOfText(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash >>> 0;
}

function addWord(values: Float64Array, word: string): void {
  let state = hashOfText(word);
  for (let step = 0; step < dimensionsPerWord; step += 1) {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    const index = state % values.length;
    values[index] = (values[index] ?? 0) + ((state & 0x10000) === 0 ? 1 : -1);
  }
}

/** Numbers from -127 to 127. */
export function toSignedBytes(vector: readonly number[]): readonly number[] {
  return vector.map((value) => Math.round(Math.max(-1, Math.min(1, value)) * 127));
}

/** Signs, eight to a byte, the first in the highest bit. */
export function toBits(vector: readonly number[]): readonly number[] {
  return Array.from({ length: Math.ceil(vector.length / 8) }, (_byte, index) => {
    const bits = vector.slice(index * 8, index * 8 + 8);
    return bits.reduce((byte, value, place) => byte | (value > 0 ? 0x80 >> place : 0), 0);
  });
}
