import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readFrame, recordType } from "./frame.ts";
import {
  deliveredFrameBytes,
  frameBytesMax,
  readDeliveredRecord,
  readEventRecord,
  writeDeliveredRecord,
  writeEventRecord,
} from "./record.ts";

const ids = fc.string({ minLength: 1, maxLength: 60, unit: "grapheme" }).filter((id) => Buffer.byteLength(id) <= 255);

describe("a record of the journal", () => {
  it("is read back as it was written, wherever it stands, for any id and message", () => {
    fc.assert(
      fc.property(ids, fc.uint8Array({ maxLength: 500 }), fc.nat({ max: 50 }), (eventId, message, at) => {
        const buffer = Buffer.alloc(at + frameBytesMax(eventId, message));
        const end = writeEventRecord(buffer, at, recordType.final, eventId, message);
        const frame = readFrame(buffer, at);
        if (typeof frame === "string") throw new Error(frame);
        expect([frame.type, frame.end]).toEqual([recordType.final, end]);
        const record = readEventRecord(frame.payload);
        expect(record?.eventId).toBe(eventId.toWellFormed());
        expect(Buffer.compare(record?.message ?? Buffer.alloc(0), message)).toBe(0);
        // A buffer that ends within the frame holds no frame.
        expect(readFrame(buffer.subarray(0, end - 1), at)).toBe("short");
      }),
    );
  });

  it("holds the places of delivered events", () => {
    const place = fc.record({ ordinal: fc.nat({ max: 0xffff_ffff }), offset: fc.nat({ max: 0xffff_ffff }) });
    fc.assert(
      fc.property(fc.array(place, { maxLength: 20 }), (places) => {
        const buffer = Buffer.alloc(deliveredFrameBytes(places.length));
        writeDeliveredRecord(buffer, 0, places);
        const frame = readFrame(buffer, 0);
        if (typeof frame === "string") throw new Error(frame);
        expect(readDeliveredRecord(frame.payload)).toEqual(places);
      }),
    );
  });

  it("never comes out of noise", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (noise) => {
        expect(typeof readFrame(Buffer.from(noise), 0)).toBe("string");
      }),
    );
  });
});
