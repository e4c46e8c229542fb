import { parse, type Raw } from "../raw-json.ts";

export type RawFrame = { readonly type: string; readonly payload: Raw };

/** Whole frames of an AWS event stream, read the simplest way there is: by their lengths, without a look at checksums. */
export function framesOf(body: Uint8Array): readonly RawFrame[] {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const frames: RawFrame[] = [];
  let start = 0;
  while (bytes.length - start >= 16) {
    const length = bytes.readUInt32BE(start);
    if (length < 16 || start + length > bytes.length) break;
    const headersEnd = start + 12 + bytes.readUInt32BE(start + 4);
    const headers = bytes.toString("latin1", start + 12, headersEnd);
    // After the name: a byte for the type of the value, and two for its length.
    const type = /:event-type...([A-Za-z]+)/s.exec(headers)?.[1] ?? "";
    frames.push({ type, payload: parse(bytes.toString("utf8", headersEnd, start + length - 4)) });
    start += length;
  }
  return frames;
}
