import { EventStreamCodec } from "@smithy/eventstream-codec";
import fc from "fast-check";
import { expect, test } from "vitest";
import { createAwsEventStreamDecoder } from "./aws-event-stream.ts";
import { byteByByte, cuttings, decodeAll } from "./cuttings.ts";
import { FramingError, type WireEvent } from "./wire-event.ts";

const limits = { eventBytesMax: 1 << 16 };
const encoder = new TextEncoder();
const codec = new EventStreamCodec(
  (bytes) => (typeof bytes === "string" ? bytes : new TextDecoder().decode(bytes)),
  (text) => encoder.encode(text),
);

type Headers = Parameters<typeof codec.encode>[0]["headers"];

function frame(headers: Readonly<Record<string, string>>, payload: string): Uint8Array {
  const typed: Headers = {};
  for (const [name, value] of Object.entries(headers)) typed[name] = { type: "string", value };
  return codec.encode({ headers: typed, body: encoder.encode(payload) });
}

function decode(bytes: Uint8Array): readonly WireEvent[] {
  return decodeAll(createAwsEventStreamDecoder(limits), [bytes]);
}

test("an event frame gives its type and its payload as text", () => {
  const bytes = frame({ ":message-type": "event", ":event-type": "contentBlockDelta" }, '{"delta":{"text":"Grüße"}}');
  expect(decode(bytes)).toEqual([{ name: "contentBlockDelta", data: '{"delta":{"text":"Grüße"}}', origin: "event" }]);
});

test("an exception frame is told apart from an event", () => {
  const bytes = frame({ ":message-type": "exception", ":exception-type": "throttlingException" }, '{"message":"slow"}');
  expect(decode(bytes)).toEqual([{ name: "throttlingException", data: '{"message":"slow"}', origin: "exception" }]);
});

test("an error frame, which has no payload, reads like an exception", () => {
  const bytes = frame({ ":message-type": "error", ":error-code": "InternalError", ":error-message": "broken" }, "");
  expect(decode(bytes)).toEqual([{ name: "InternalError", data: '{"message":"broken"}', origin: "exception" }]);
});

test("headers of every type are passed over", () => {
  const bytes = codec.encode({
    headers: {
      yes: { type: "boolean", value: true },
      no: { type: "boolean", value: false },
      byte: { type: "byte", value: -1 },
      short: { type: "short", value: 7 },
      integer: { type: "integer", value: 7 },
      binary: { type: "binary", value: encoder.encode("some bytes") },
      time: { type: "timestamp", value: new Date(0) },
      uuid: { type: "uuid", value: "3f2504e0-4f89-11d3-9a0c-0305e82c3301" },
      ":event-type": { type: "string", value: "last" },
    },
    body: encoder.encode("{}"),
  });
  expect(decode(bytes)).toEqual([{ name: "last", data: "{}", origin: "event" }]);
});

test.each([
  ["within the prelude", 5],
  ["within the payload", 40],
])("bytes that end %s are a broken frame, not an end", (_, length) => {
  const decoder = createAwsEventStreamDecoder(limits);
  decoder.push(frame({ ":event-type": "a" }, '{"text":"hello"}').slice(0, length));
  expect(() => decoder.finish()).toThrow(FramingError);
});

test("any flipped bit of a frame is found", () => {
  const good = frame({ ":event-type": "a" }, '{"text":"hello"}');
  fc.assert(
    fc.property(fc.nat({ max: good.length * 8 - 1 }), (bit) => {
      const bad = good.slice();
      bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(() => decode(bad)).toThrow(FramingError);
    }),
  );
});

test("a frame over the limit is refused before it is gathered", () => {
  const decoder = createAwsEventStreamDecoder({ eventBytesMax: 64 });
  expect(() => decoder.push(frame({}, "x".repeat(100)).slice(0, 12))).toThrow(FramingError);
});

test("any cutting of the bytes gives the frames that were encoded", () => {
  const text = fc.string({ unit: "grapheme", maxLength: 40 });
  const frames = fc.array(fc.record({ name: text.filter((name) => name !== ""), data: text }), { maxLength: 5 });
  const cutFrames = frames.chain((rows) => {
    const bytes = Buffer.concat(
      rows.map((row) => frame({ ":event-type": row.name, ":message-type": "event" }, row.data)),
    );
    return fc.tuple(fc.constant(rows), cuttings(bytes), fc.constant(byteByByte(bytes)));
  });
  fc.assert(
    fc.property(cutFrames, ([rows, pieces, singleBytes]) => {
      const expected = rows.map((row) => ({ ...row, origin: "event" }));
      expect(decodeAll(createAwsEventStreamDecoder(limits), pieces)).toEqual(expected);
      expect(decodeAll(createAwsEventStreamDecoder(limits), singleBytes)).toEqual(expected);
    }),
  );
});
