import fc from "fast-check";
import { expect, test } from "vitest";
import { cuttings, decodeAll } from "./cuttings.ts";
import { createNdjsonDecoder } from "./ndjson.ts";
import { FramingError } from "./wire-event.ts";

const encoder = new TextEncoder();

function dataOf(text: string, eventBytesMax = 100): readonly string[] {
  return decodeAll(createNdjsonDecoder({ eventBytesMax }), [encoder.encode(text)]).map((event) => event.data);
}

test("each line is an event; blank lines and the kind of line end mean nothing", () => {
  expect(dataOf('\n{"a":1}\r\n\r\n  {"b":2} \n')).toEqual(['{"a":1}', '{"b":2}']);
});

test("a last line without its end counts when it is whole, and only then", () => {
  expect(dataOf('{"a":1}\n{"b":2}')).toEqual(['{"a":1}', '{"b":2}']);
  expect(dataOf('{"a":1}\n{"b":')).toEqual(['{"a":1}']);
});

test("a line over the limit breaks the framing, ended or not", () => {
  expect(() => dataOf(`"${"x".repeat(100)}"`)).toThrow(FramingError);
  expect(() => dataOf(`"${"x".repeat(100)}"\n`)).toThrow(FramingError);
});

test("any cutting of the bytes gives the same lines", () => {
  const text = '{"a":"Grüße €"}\r\n{"b":"𝄞"}\n\n{"c":[1,2]}';
  fc.assert(
    fc.property(cuttings(encoder.encode(text)), (pieces) => {
      const events = decodeAll(createNdjsonDecoder({ eventBytesMax: 100 }), pieces);
      expect(events.map((event) => event.data)).toEqual(['{"a":"Grüße €"}', '{"b":"𝄞"}', '{"c":[1,2]}']);
    }),
  );
});
