import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FrameReader, frameKinds, toFrame } from "./answer-frames.ts";

const kinds = fc.constantFrom(...Object.values(frameKinds));
const frames = fc.array(fc.tuple(kinds, fc.uint8Array({ maxLength: 300 })), { maxLength: 20 });

describe("frames between replicas", () => {
  it("are the same however the bytes are cut", () => {
    fc.assert(
      fc.property(frames, fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }), (said, cuts) => {
        const bytes = Buffer.concat(said.map(([kind, body]) => toFrame(kind, body)));
        const reader = new FrameReader(1_000);
        const heard: [number, number[]][] = [];
        for (let at = 0, cut = 0; at < bytes.length; cut += 1) {
          const length = cuts[cut % cuts.length] ?? 1;
          for (const { kind, body } of reader.push(bytes.subarray(at, at + length))) heard.push([kind, [...body]]);
          at += length;
        }
        expect(heard).toEqual(said.map(([kind, body]) => [kind, [...body]]));
      }),
    );
  });

  it("are refused before they are held when they are too large", () => {
    const frame = toFrame(frameKinds.outcome, new Uint8Array(2_000));
    expect(() => new FrameReader(1_000).push(frame.subarray(0, 10))).toThrow("larger than allowed");
  });
});
