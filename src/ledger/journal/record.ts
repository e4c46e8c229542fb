// What stands in the payload of a frame.
//   START, PROGRESS, FINAL   u8 length of the event id | event id | protobuf message (UsageEvent, Usage, UsageEvent)
//   DELIVERED                (u32 segment ordinal | u32 offset)*, the places of FINAL records that NATS has acknowledged
// The id stands apart so that a scan need not decode messages; places instead of ids make DELIVERED a fifth of the size.
import { frameOverheadBytes, payloadBytesMax, type RecordType, recordType, sealFrame } from "./frame.ts";

export const eventIdBytesMax = 255;
const placeBytes = 8;

/** Where a record begins. */
export type Place = { readonly ordinal: number; readonly offset: number };

export function isBefore(place: Place, other: Place): boolean {
  return place.ordinal < other.ordinal || (place.ordinal === other.ordinal && place.offset < other.offset);
}

/** Most bytes that the frame of such a record takes. */
export function frameBytesMax(eventId: string, message: Uint8Array): number {
  return frameOverheadBytes + 1 + eventId.length * 3 + message.length;
}

/** Writes the frame of a START, PROGRESS or FINAL; the buffer has room for `frameBytesMax`. Returns the offset after it. */
export function writeEventRecord(
  buffer: Buffer,
  at: number,
  type: RecordType,
  eventId: string,
  message: Uint8Array,
): number {
  const payloadAt = at + frameOverheadBytes;
  const idBytes = buffer.write(eventId, payloadAt + 1, "utf8");
  if (idBytes === 0 || idBytes > eventIdBytesMax) throw new RangeError("an event id has 1 to 255 bytes");
  const payloadBytes = 1 + idBytes + message.length;
  if (payloadBytes > payloadBytesMax) throw new RangeError(`a usage record has at most ${payloadBytesMax} bytes`);
  buffer.writeUInt8(idBytes, payloadAt);
  buffer.set(message, payloadAt + 1 + idBytes);
  return sealFrame(buffer, at, type, payloadBytes);
}

export type EventRecord = { readonly eventId: string; readonly message: Buffer };

/** Reads the payload of a START, PROGRESS or FINAL; `undefined` when it is not one. */
export function readEventRecord(payload: Buffer): EventRecord | undefined {
  const idBytes = payload[0];
  if (idBytes === undefined || idBytes === 0 || payload.length < 1 + idBytes) return undefined;
  return { eventId: payload.toString("utf8", 1, 1 + idBytes), message: payload.subarray(1 + idBytes) };
}

/** Bytes of the frame of a DELIVERED for so many places. */
export function deliveredFrameBytes(places: number): number {
  return frameOverheadBytes + places * placeBytes;
}

export function writeDeliveredRecord(buffer: Buffer, at: number, places: readonly Place[]): number {
  let to = at + frameOverheadBytes;
  for (const place of places) {
    buffer.writeUInt32LE(place.ordinal, to);
    buffer.writeUInt32LE(place.offset, to + 4);
    to += placeBytes;
  }
  return sealFrame(buffer, at, recordType.delivered, places.length * placeBytes);
}

export function readDeliveredRecord(payload: Buffer): readonly Place[] {
  const places: Place[] = [];
  for (let at = 0; at + placeBytes <= payload.length; at += placeBytes) {
    places.push({ ordinal: payload.readUInt32LE(at), offset: payload.readUInt32LE(at + 4) });
  }
  return places;
}
