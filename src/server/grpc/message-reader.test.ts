import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { MessageReader } from "./message-reader.ts";

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");

function framed(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

describe("the message of a call", () => {
  it("is the same in whatever pieces it comes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 5000 }), fc.array(fc.nat(5005), { maxLength: 20 }), (bytes, cuts) => {
        const whole = framed(Buffer.from(bytes));
        const reader = new MessageReader(10_000);
        let at = 0;
        for (const cut of [...cuts.filter((one) => one < whole.length).sort((a, b) => a - b), whole.length]) {
          reader.push(whole.subarray(at, cut));
          at = cut;
        }
        expect(Buffer.from(reader.end()).equals(Buffer.from(bytes))).toBe(true);
      }),
    );
  });

  it("does not hold the reads of the socket that its bytes came in", async () => {
    const reader = new MessageReader(1 << 20);
    const whole = framed(Buffer.alloc(2000, "x"));
    const before = process.memoryUsage().arrayBuffers;
    for (const byte of whole) reader.push(Buffer.alloc(64 * 1024, byte).subarray(0, 1));
    // 2,005 reads of 64 KiB are 125 MiB. What is garbage is given back in the background.
    await vi.waitFor(() => {
      collectGarbage();
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 << 20);
    });
    expect(reader.end()).toHaveLength(2000);
  });
});
