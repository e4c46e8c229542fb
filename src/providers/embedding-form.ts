// A vector in the number format that the caller wants, whatever the provider gave.
import { create } from "@bufbuild/protobuf";
import { type Embedding, EmbeddingEncoding, EmbeddingSchema } from "../contract.ts";
import { fromBase64 } from "./data-url.ts";
import type { TranslationLog } from "./translation-log.ts";

/** For a provider that gives floats only: the other formats are made here. */
export function noteMadeHere(encoding: EmbeddingEncoding, log: TranslationLog): void {
  if (encoding === EmbeddingEncoding.INT8) {
    log.emulated("encoding", "made from floats: each vector is scaled to its largest value, so compare by cosine");
  } else if (encoding === EmbeddingEncoding.BINARY) {
    log.emulated("encoding", "made from floats: a bit is set where the value is above zero");
  }
}

/** Numbers, or base64 of little-endian 32-bit floats; `undefined` when `raw` is neither. */
export function readFloats(raw: unknown): readonly number[] | undefined {
  if (typeof raw === "string") return floatsOf(fromBase64(raw));
  if (!Array.isArray(raw) || raw.length === 0) return undefined;
  return raw.every((value): value is number => typeof value === "number" && Number.isFinite(value)) ? raw : undefined;
}

/** Signed bytes, as numbers from -128 to 127; `undefined` when `raw` is no list of them. */
export function readBytes(raw: unknown): Uint8Array | undefined {
  if (!Array.isArray(raw) || raw.length === 0) return undefined;
  const isByte = (value: unknown): value is number =>
    typeof value === "number" && Number.isInteger(value) && value >= -128 && value <= 255;
  return raw.every(isByte) ? Uint8Array.from(raw, (value) => value & 0xff) : undefined;
}

export function toEmbedding(values: readonly number[], encoding: EmbeddingEncoding): Embedding {
  if (encoding === EmbeddingEncoding.INT8) return packed(toSignedBytes(values));
  if (encoding === EmbeddingEncoding.BINARY) return packed(toBits(values));
  return create(EmbeddingSchema, { values: values as number[] });
}

/** Values that the provider packed itself. */
export function packed(packedValues: Uint8Array): Embedding {
  return create(EmbeddingSchema, { packedValues });
}

function floatsOf(bytes: Uint8Array): readonly number[] | undefined {
  if (bytes.length === 0 || bytes.length % 4 !== 0) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const values = Array.from({ length: bytes.length / 4 }, (_value, index) => view.getFloat32(index * 4, true));
  return values.every(Number.isFinite) ? values : undefined;
}

function toSignedBytes(values: readonly number[]): Uint8Array {
  let largest = 0;
  for (const value of values) largest = Math.max(largest, Math.abs(value));
  const scale = largest === 0 ? 0 : 127 / largest;
  return Uint8Array.from(values, (value) => Math.round(value * scale) & 0xff);
}

/** Eight to a byte, the first dimension in the highest bit; the last byte is filled up with zeros. */
function toBits(values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(values.length / 8));
  for (const [index, value] of values.entries()) {
    if (value > 0) bytes[index >> 3] = (bytes[index >> 3] ?? 0) | (0x80 >> (index & 7));
  }
  return bytes;
}
