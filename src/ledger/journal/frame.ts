// One record of the journal on disk: `u32 length | u32 crc32 | u8 type | payload`, little endian. The length counts type
// and payload and is never 0, so that a tail of zeros is not a frame; the checksum covers the same bytes.
import { crc32 } from "node:zlib";

/** What a record says; see `record.ts`. The numbers stand on disk. */
export const recordType = { start: 1, progress: 2, final: 3, delivered: 4 } as const;
export type RecordType = (typeof recordType)[keyof typeof recordType];

/** Bytes before the payload. */
export const frameOverheadBytes = 9;
/** Largest payload of a record; a frame that claims more is bad. */
export const payloadBytesMax = 1 << 20;

const checkedFrom = 8;

/**
 * Completes the frame whose payload the caller has put at `at + frameOverheadBytes`; returns the offset after it.
 * `payloadBytes` must not pass `payloadBytesMax`.
 */
export function sealFrame(buffer: Buffer, at: number, type: RecordType, payloadBytes: number): number {
  const end = at + frameOverheadBytes + payloadBytes;
  buffer.writeUInt8(type, at + checkedFrom);
  buffer.writeUInt32LE(payloadBytes + 1, at);
  buffer.writeUInt32LE(crc32(buffer.subarray(at + checkedFrom, end)), at + 4);
  return end;
}

export type Frame = {
  readonly type: number;
  /** A view of the buffer that was read: valid until that is filled again. */
  readonly payload: Buffer;
  /** Offset behind the frame. */
  readonly end: number;
};

/** The frame at `at`, "short" when the buffer ends within it, "bad" when no frame can stand there. */
export function readFrame(buffer: Buffer, at: number): Frame | "short" | "bad" {
  if (buffer.length - at < 4) return "short";
  const length = buffer.readUInt32LE(at);
  if (length < 1 || length > payloadBytesMax + 1) return "bad";
  const end = at + checkedFrom + length;
  if (buffer.length < end) return "short";
  if (crc32(buffer.subarray(at + checkedFrom, end)) !== buffer.readUInt32LE(at + 4)) return "bad";
  return { type: buffer.readUInt8(at + checkedFrom), payload: buffer.subarray(at + frameOverheadBytes, end), end };
}
