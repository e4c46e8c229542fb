// One column of a block of events, as bytes: whole numbers in the narrowest form that holds them all. They are worked with as
// doubles, which are exact up to 2^53; what may be larger is split before it comes here.

/** Bytes of a value; 0: all values are `base`. */
export type ColumnWidth = 0 | 1 | 2 | 4 | 8;

export type Column = {
  readonly width: ColumnWidth;
  /** Added to each value that stands in `bytes`. */
  readonly base: number;
  /** The largest value without its sign. */
  readonly peak: number;
  readonly bytes: Uint8Array;
};

const nothing = new Uint8Array();

export function encodeColumn(values: Float64Array): Column {
  const { least, most } = extremesOf(values);
  const peak = Math.max(Math.abs(least), Math.abs(most));
  if (least === most) return { width: 0, base: least, peak, bytes: nothing };
  const width = widthOf(most - least);
  if (width === 8) return { width, base: 0, peak, bytes: bytesOf(values.slice()) };
  const base = least >= 0 && widthOf(most) === width ? 0 : least;
  const codes =
    width === 1 ? new Uint8Array(values.length) : new (width === 2 ? Uint16Array : Uint32Array)(values.length);
  for (let row = 0; row < values.length; row++) codes[row] = (values[row] ?? 0) - base;
  return { width, base, peak, bytes: bytesOf(codes) };
}

/** A column that is not encoded: a view, without a copy. */
export function plainColumn(values: Float64Array): Column {
  const { least, most } = extremesOf(values);
  const peak = Math.max(Math.abs(least), Math.abs(most));
  if (least === most) return { width: 0, base: least, peak, bytes: nothing };
  return { width: 8, base: 0, peak, bytes: bytesOf(values) };
}

/** Writes the values to the first places of `into`. */
export function decodeColumn({ width, base, bytes }: Column, into: Float64Array, rows: number): void {
  if (width === 0) {
    into.fill(base, 0, rows);
    return;
  }
  into.set(codesOf(width, bytes, rows));
  if (base !== 0) for (let row = 0; row < rows; row++) into[row] = (into[row] ?? 0) + base;
}

function codesOf(width: Exclude<ColumnWidth, 0>, { buffer, byteOffset }: Uint8Array, rows: number) {
  if (width === 1) return new Uint8Array(buffer, byteOffset, rows);
  if (width === 2) return new Uint16Array(buffer, byteOffset, rows);
  if (width === 4) return new Uint32Array(buffer, byteOffset, rows);
  return new Float64Array(buffer, byteOffset, rows);
}

function extremesOf(values: Float64Array): { readonly least: number; readonly most: number } {
  let least = values[0] ?? 0;
  let most = least;
  for (const value of values) {
    if (value < least) least = value;
    if (value > most) most = value;
  }
  return { least, most };
}

function widthOf(range: number): Exclude<ColumnWidth, 0> {
  if (range < 2 ** 8) return 1;
  if (range < 2 ** 16) return 2;
  return range < 2 ** 32 ? 4 : 8;
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
