import { crc32 } from "node:zlib";

/**
 * One message of the AWS event stream encoding: total length, length of the headers, their checksum, headers, payload,
 * checksum of all before it (Smithy specification, "Event Stream Encoding").
 */
export function toEventFrame(headers: Readonly<Record<string, string>>, payload: object): Uint8Array {
  const headerBytes = Buffer.concat(Object.entries(headers).map(([name, value]) => toHeader(name, value)));
  const payloadBytes = Buffer.from(JSON.stringify(payload));
  const totalLength = 12 + headerBytes.length + payloadBytes.length + 4;
  const frame = Buffer.alloc(totalLength);
  frame.writeUInt32BE(totalLength, 0);
  frame.writeUInt32BE(headerBytes.length, 4);
  frame.writeUInt32BE(crc32(frame.subarray(0, 8)), 8);
  headerBytes.copy(frame, 12);
  payloadBytes.copy(frame, 12 + headerBytes.length);
  frame.writeUInt32BE(crc32(frame.subarray(0, totalLength - 4)), totalLength - 4);
  return frame;
}

/** Type 7: text with a length of two bytes. */
const stringType = 7;

function toHeader(name: string, value: string): Buffer {
  const nameBytes = Buffer.from(name);
  const valueBytes = Buffer.from(value);
  const head = Buffer.from([
    nameBytes.length,
    ...nameBytes,
    stringType,
    valueBytes.length >> 8,
    valueBytes.length & 0xff,
  ]);
  return Buffer.concat([head, valueBytes]);
}
