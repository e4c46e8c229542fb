import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EmbeddingEncoding } from "../contract.ts";
import { toBase64 } from "./data-url.ts";
import { readBytes, readFloats, toEmbedding } from "./embedding-form.ts";

const vectors = fc.array(fc.float({ noNaN: true, noDefaultInfinity: true, min: -1, max: 1 }), {
  minLength: 1,
  maxLength: 200,
});

function base64Of(values: readonly number[]): string {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) bytes.writeFloatLE(value, index * 4);
  return toBase64(bytes);
}

describe("a vector", () => {
  it("is the same from decimals and from base64", () => {
    fc.assert(
      fc.property(vectors, (values) => {
        expect(readFloats(base64Of(values))).toEqual(readFloats(values));
      }),
    );
  });

  it("keeps its direction as signed bytes, within half a step of its largest value", () => {
    fc.assert(
      fc.property(vectors, (values) => {
        const bytes = new Int8Array(toEmbedding(values, EmbeddingEncoding.INT8).packedValues);
        const largest = Math.max(...values.map(Math.abs));
        expect(bytes.length).toBe(values.length);
        for (const [index, value] of values.entries()) {
          const restored = ((bytes[index] ?? 0) * largest) / 127;
          expect(Math.abs(restored - value)).toBeLessThanOrEqual(largest / 254 + 1e-6);
        }
      }),
    );
  });

  it("has one bit for each dimension, the first in the highest, set where the value is above zero", () => {
    expect(toEmbedding([1, -1, 0.5, 0, -0.1, 0.1, -1, 1, 1], EmbeddingEncoding.BINARY).packedValues).toEqual(
      new Uint8Array([0b10100101, 0b10000000]),
    );
  });

  it.each([
    ["text that is no base64 of floats", "AAA="],
    ["an empty text", ""],
    ["an empty list", []],
    ["a list with a text in it", [0.1, "0.2"]],
    ["a list with a number that is none", [Number.NaN]],
    ["base64 of a number that is none", base64Of([Number.NaN])],
    ["an object", { 0: 1 }],
    ["nothing", undefined],
  ])("is not read from %s", (_name, raw) => {
    expect(readFloats(raw)).toBeUndefined();
  });

  it("of bytes is read from signed and unsigned numbers, and from nothing else", () => {
    expect(readBytes([-128, -1, 0, 127])).toEqual(new Uint8Array([128, 255, 0, 127]));
    expect(readBytes([0, 255])).toEqual(new Uint8Array([0, 255]));
    expect(readBytes([256])).toBeUndefined();
    expect(readBytes([0.5])).toBeUndefined();
    expect(readBytes("AAAA")).toBeUndefined();
  });
});
