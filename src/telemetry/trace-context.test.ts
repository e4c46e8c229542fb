import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { continueTrace, formatTraceparent, newSpanId, parseTraceparent } from "./trace-context.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const parentSpanId = "00f067aa0ba902b7";
const counting = (bytes: Uint8Array) => {
  for (const index of bytes.keys()) bytes[index] = index + 1;
};
const zero = () => undefined;

describe("a caller's trace", () => {
  it("is continued with a span of our own, and keeps the caller's decision and state", () => {
    expect(continueTrace(`00-${traceId}-${parentSpanId}-01`, "congo=t61rcWkgMzE, rojo=00f067", counting)).toEqual({
      traceId,
      spanId: "0102030405060708",
      parentSpanId,
      sampled: true,
      traceState: "congo=t61rcWkgMzE,rojo=00f067",
    });
    expect(continueTrace(`00-${traceId}-${parentSpanId}-00`, undefined, counting).sampled).toBe(false);
  });

  it("is read from a later version as far as version 00 goes", () => {
    expect(parseTraceparent(`cc-${traceId}-${parentSpanId}-01-what-the-future-holds`)).toEqual({
      traceId,
      parentSpanId,
      sampled: true,
    });
  });

  it.each([
    ["nothing", ""],
    ["version ff", `ff-${traceId}-${parentSpanId}-01`],
    ["a tail in version 00", `00-${traceId}-${parentSpanId}-01-more`],
    ["a trace id of zeros", `00-${"0".repeat(32)}-${parentSpanId}-01`],
    ["a span id of zeros", `00-${traceId}-${"0".repeat(16)}-01`],
    ["capital letters", `00-${traceId.toUpperCase()}-${parentSpanId}-01`],
    ["a short id", `00-${traceId.slice(1)}-${parentSpanId}-01`],
    ["endless text", "0".repeat(10_000)],
  ])("that is malformed (%s) begins a new trace", (_name, header) => {
    expect(continueTrace(header, "congo=1", counting)).toEqual({
      traceId: "0102030405060708090a0b0c0d0e0f10",
      spanId: "0102030405060708",
      parentSpanId: undefined,
      sampled: undefined,
      traceState: "",
    });
  });

  it("loses a state that breaks the specification, and only that", () => {
    const states = [
      "no-equals",
      "A=1",
      "a=b=c",
      Array.from({ length: 33 }, (_, index) => `k${index}=v`).join(","),
      "a=\u0007",
    ];
    for (const state of states) {
      expect(continueTrace(`00-${traceId}-${parentSpanId}-01`, state, counting)).toMatchObject({
        traceId,
        traceState: "",
      });
    }
  });
});

it("never makes an id of zeros, whatever the random source gives", () => {
  expect(newSpanId(zero)).toBe("0000000000000001");
  expect(continueTrace(undefined, undefined, zero).traceId).toBe(`${"0".repeat(31)}1`);
});

it("reads back what it writes, and never throws", () => {
  const hex = (length: number) =>
    fc
      .array(fc.constantFrom(..."0123456789abcdef"), { minLength: length, maxLength: length })
      .map((digits) => digits.join(""))
      .filter((id) => /[^0]/.test(id));
  fc.assert(
    fc.property(hex(32), hex(16), fc.boolean(), fc.string(), (trace, span, sampled, noise) => {
      expect(parseTraceparent(formatTraceparent(trace, span, sampled))).toEqual({
        traceId: trace,
        parentSpanId: span,
        sampled,
      });
      expect(() => continueTrace(noise, noise, counting)).not.toThrow();
    }),
  );
});
