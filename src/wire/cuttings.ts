// For tests: the same bytes in other pieces.
import fc from "fast-check";
import type { FrameDecoder, WireEvent } from "./wire-event.ts";

/** Bytes together with places to cut them at. */
export function cuttings(bytes: Uint8Array): fc.Arbitrary<readonly Uint8Array[]> {
  return fc.array(fc.nat({ max: bytes.length }), { maxLength: 12 }).map((places) => cut(bytes, places));
}

export function cut(bytes: Uint8Array, places: readonly number[]): readonly Uint8Array[] {
  const ordered = [0, ...places.toSorted((left, right) => left - right), bytes.length];
  return ordered.slice(1).map((end, index) => bytes.slice(ordered[index], end));
}

export function byteByByte(bytes: Uint8Array): readonly Uint8Array[] {
  return Array.from(bytes, (_, index) => bytes.slice(index, index + 1));
}

/** All events of a stream, its end included. */
export function decodeAll(decoder: FrameDecoder, pieces: readonly Uint8Array[]): readonly WireEvent[] {
  const events = pieces.flatMap((piece) => decoder.push(piece));
  return [...events, ...decoder.finish()];
}
